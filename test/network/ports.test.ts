import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { ContainerStatus } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching } from '../launch/host.js';
import { requires } from '../support/requires.js';
import {
  addressOf,
  bridged,
  deleteLinks,
  execIn,
  type NetworkHost,
  needs,
  portmap,
  sh,
  startNetworkHost,
  waits,
} from './networks.js';

requires({ ...needs, commands: [...needs.commands, 'nsenter', 'perl'] })('a port of the host', () => {
  let net: NetworkHost;
  beforeAll(async () => {
    net = await startNetworkHost({
      '10-first.conflist': bridged('first', 'gports0', 71, portmap),
      '20-second.conflist': bridged('second', 'gports1', 72),
    });
  });
  afterAll(async () => {
    await net[Symbol.asyncDispose]();
    deleteLinks('gports0', 'gports1');
  });

  const serves = (text: string) => sh(`echo ready; while :; do echo ${text} | nc -l -p 80; done`);
  const serve = async (text: string, ports: readonly object[]): Promise<ContainerStatus> => {
    const { containerizer, image } = net.host;
    const status = await containerizer.launch({
      image,
      ...serves(text),
      networks: [{ name: 'first' }],
      ports: ports as [],
    });
    await outputMatching(containerizer, status.id, /ready/);
    return status;
  };

  it('leads to a container by TCP, over IPv4 and IPv6, for as long as that lives', async () => {
    const { id, ports = [] } = await serve('over tcp', [{ containerPort: 80 }]);
    const [{ hostPort } = { hostPort: 0 }] = ports;
    expect(ports).toEqual([{ hostPort, containerPort: 80, protocol: 'tcp' }]);
    for (const host of ['127.0.0.1', '10.71.0.1', 'fd00:71::1'])
      expect(await speakSoon(host, hostPort)).toBe('over tcp\n');
    await net.host.containerizer.destroy(id);
    for (const host of ['127.0.0.1', 'fd00:71::1'])
      await expect(speak(host, hostPort)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('leads to a container by UDP', async () => {
    const { containerizer, image } = net.host;
    const {
      id,
      pid = 0,
      ports,
    } = await containerizer.launch({
      image,
      ...waits,
      networks: [{ name: 'first' }],
      ports: [{ containerPort: 5353, hostPort: 35353, protocol: 'udp' }],
    });
    expect(ports).toEqual([{ hostPort: 35353, containerPort: 5353, protocol: 'udp' }]);
    const server = await udpEcho(pid, 5353);
    const socket = createSocket('udp4');
    const answer = once(socket, 'message');
    socket.send('over udp', 35353, '10.71.0.1');
    expect(String((await answer)[0])).toBe('echo: over udp');
    socket.close();
    server.kill('SIGKILL');
    await once(server, 'exit');
    await containerizer.destroy(id);
  });

  it('is one container’s at a time, of one address or of all', async () => {
    const one = await serve('one', [{ containerPort: 80, hostPort: 30080, hostIp: '127.0.0.1' }]);
    const other = await serve('other', [{ containerPort: 80, hostPort: 30080, hostIp: '10.71.0.1' }]);
    await expect(serve('third', [{ containerPort: 80, hostPort: 30080 }])).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining("port 30080/tcp of the host is another container's"),
    });
    expect([await speakSoon('127.0.0.1', 30080), await speakSoon('10.71.0.1', 30080)]).toEqual(['one\n', 'other\n']);
    for (const { id } of [one, other]) await net.host.containerizer.destroy(id);
  });

  it('is only the host’s own: what is for others passes by', async () => {
    const { containerizer, image } = net.host;
    const mapped = await serve('mapped', [{ containerPort: 80, hostPort: 80 }]);
    const other = await serve('not mapped', []);
    const client = await containerizer.launch({ image, ...waits, networks: [{ name: 'second' }] });
    expect(await execIn(net, client.id, `until nc ${addressOf(other)} 80; do :; done`)).toBe('not mapped\n');
    expect(await execIn(net, client.id, 'until nc 10.72.0.1 80; do :; done')).toBe('mapped\n');
    for (const { id } of [mapped, other, client]) await containerizer.destroy(id);
  });

  it('can be one of a range', async () => {
    const { containerizer, image } = net.host;
    const { id, ports } = await containerizer.launch({
      image,
      ...sh('for p in 9000 9001 9002; do (echo port $p | nc -l -p $p) & done; echo ready; sleep 60'),
      networks: [{ name: 'first' }],
      ports: [{ containerPort: 9000, hostPort: 39000, count: 3 }],
    });
    await outputMatching(containerizer, id, /ready/);
    expect(ports?.map(({ hostPort }) => hostPort)).toEqual([39000, 39001, 39002]);
    for (const at of [0, 1, 2]) expect(await speakSoon('10.71.0.1', 39000 + at)).toBe(`port ${9000 + at}\n`);
    await containerizer.destroy(id);
  });
});

/** What a server says. */
async function speak(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  let text = '';
  for await (const piece of socket) text += String(piece);
  return text;
}

/** As `speak`, of a server that is about to listen, or whose address the kernel still makes sure of. */
async function speakSoon(host: string, port: number): Promise<string> {
  for (;;) {
    try {
      return await speak(host, port);
    } catch (error) {
      if (!['ECONNREFUSED', 'EHOSTUNREACH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

/** A server in a process's network that says again what it hears. */
async function udpEcho(pid: number, port: number): Promise<ChildProcess> {
  const script = `use IO::Socket::INET; $| = 1;
    my $s = IO::Socket::INET->new(Proto => 'udp', LocalPort => ${port}) or die; print "ready";
    while ($s->recv(my $text, 1500)) { $s->send("echo: $text") }`;
  const server = spawn('nsenter', ['-t', `${pid}`, '-n', 'perl', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(server.stdout, 'data');
  return server;
}
