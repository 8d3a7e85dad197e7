import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import type { ContainerSpec, ContainerStatus } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { execIn, waits } from './networks.js';
import { haveTun, makeOutside, type Outside, type Servers, serve } from './outside.js';

const programs = ['/usr', '/lib', '/lib64'].map(
  (path) => ({ type: 'bind', source: path, target: path, readonly: true }) as const,
);

const script = fileURLToPath(new URL('./host-program.mjs', import.meta.url));

/** Serves TCP on port 80, and UDP on port 5300. */
const server: Partial<ContainerSpec> = {
  command: [
    '/usr/bin/python3',
    '-uc',
    `
import socket, threading
t = socket.create_server(("", 80)); u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 5300))
def udp():
  while True:
    text, peer = u.recvfrom(100); u.sendto(b"echo " + text, peer)
threading.Thread(target=udp, daemon=True).start(); print("ready")
while True:
  c, _ = t.accept(); r = b""
  while not r.endswith(b"\\r\\n\\r\\n"): r += c.recv(999)
  c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nserved\\n"); c.close()`,
  ],
  mounts: programs,
};

requires({
  root: true,
  commands: ['ip', 'nft', 'nsenter', 'pasta', 'slirp4netns'],
  packages: ['iproute2', 'nftables', 'util-linux', 'passt', 'slirp4netns'],
})("network 'user' of a host program that is root", () => {
  let outside: Outside;
  let far: Servers;
  let loopback: Servers;
  beforeAll(async () => {
    haveTun();
    outside = makeOutside(1);
    far = await serve(outside.ipv4);
    loopback = await serve('127.0.0.1');
  });
  afterAll(() => {
    for (const one of [far, loopback]) one[Symbol.dispose]();
    outside[Symbol.dispose]();
  });

  describe.each(['pasta', 'slirp4netns'] as const)('by %s', (userStack) => {
    let host: TestHost;
    beforeAll(async () => {
      host = await startHost({ networks: { userStack } });
    });
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
    });

    const launch = (spec: Partial<ContainerSpec> = {}) =>
      host.containerizer.launch({ image: host.image, ...waits, network: 'user', ...spec });
    const inside = (id: string, script: string) => execIn({ host }, id, script);
    const end = async ({ id }: ContainerStatus) => {
      await host.containerizer.destroy(id);
      await host.containerizer.remove(id);
    };

    it('reaches what the host reaches, and not the host’s loopback', async () => {
      const status = await launch({ hostname: 'box', mounts: programs });
      const { id } = status;
      expect(status.networks).toMatchObject([
        {
          name: 'user',
          interface: 'eth0',
          addresses: expect.arrayContaining([{ address: '10.0.2.100/24', gateway: '10.0.2.2' }]),
        },
      ]);
      expect(await inside(id, 'ip -o -4 addr show eth0; ip route')).toMatch(
        / 10\.0\.2\.100\/24 .*\n(.*\n)*default via 10\.0\.2\.2/,
      );
      expect(await inside(id, 'cat /etc/hosts')).toContain('10.0.2.100\tbox\n');
      expect(await inside(id, `timeout 5 busybox wget -q -O - http://${outside.ipv4}:${far.port}/`)).toBe('hello\n');
      expect(await inside(id, udpClient(outside.ipv4, far.port, 'far'))).toBe('echo far\n');
      for (const address of ['10.0.2.2', '127.0.0.1', '10.0.2.3'])
        expect(await inside(id, `timeout 1 busybox wget -q -O - http://${address}:${loopback.port}/; echo end`)).toBe(
          'end\n',
        );
      // A socket that is bound to the interface sends out what is for 127.0.0.1: without the rules it arrives.
      const bound = udpClient('127.0.0.1', loopback.port, 'bound', 'eth0');
      expect(await inside(id, bound)).toBe('no answer\n');
      expect(loopback.heard).toEqual([]);
      execFileSync('nsenter', [`--net=/proc/${status.pid}/ns/net`, 'nft', 'flush', 'ruleset']);
      await inside(id, bound);
      await expect.poll(() => loopback.heard).toEqual(['bound']);
      loopback.heard.length = 0;
      await end(status);
    });

    it('does not let a container have what it would need to get there all the same', async () => {
      const raw = `/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 255)' 2>&1`;
      const status = await launch({ mounts: programs });
      expect(await inside(status.id, raw)).toContain('PermissionError');
      await expect(launch({ capabilities: { add: ['NET_RAW'] } })).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringMatching(/^network\/egress: .*CAP_NET_RAW .*host's loopback/),
      });
      const nested = { image: host.image, ...waits, parent: status.id, capabilities: { add: ['NET_ADMIN'] } };
      await expect(host.containerizer.launch(nested)).rejects.toMatchObject({ code: 'REFUSED' });
      // One with a network of its own could enter the other by its process.
      const beside = { ...nested, share: ['pid'] as const, capabilities: { add: ['SYS_ADMIN'] } };
      await expect(host.containerizer.launch(beside)).rejects.toMatchObject({ code: 'REFUSED' });
      await end(status);
    });

    it('has ports of the host lead to it, by TCP and UDP, for as long as it lives', async () => {
      const status = await launch({
        ...server,
        ports: [
          { containerPort: 80 },
          { containerPort: 80, hostPort: 30_380, hostIp: outside.ipv4 },
          { containerPort: 5300, protocol: 'udp' },
        ],
      });
      await outputMatching(host.containerizer, status.id, /ready/);
      const [tcp, one, udp] = status.ports ?? [];
      expect(one).toEqual({ hostPort: 30_380, containerPort: 80, protocol: 'tcp', hostIp: outside.ipv4 });
      for (const address of ['127.0.0.1', outside.ipv4])
        expect(await speak(address, tcp?.hostPort ?? 0)).toBe('served\n');
      expect(await echoOf(outside.ipv4, udp?.hostPort ?? 0, 'over udp')).toBe('echo over udp');
      expect(await speak(outside.ipv4, 30_380)).toBe('served\n');
      await expect(speak('127.0.0.1', 30_380)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await expect(launch({ ports: [{ containerPort: 1, hostPort: 30_380 }] })).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining("another container's"),
      });
      await expect(
        launch({ ports: [{ containerPort: 1, hostPort: far.port, hostIp: outside.ipv4 }] }),
      ).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining('in use'),
      });
      await end(status);
      await expect(speak(outside.ipv4, 30_380)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });

    it('asks the host’s own server for names where that is on the host’s loopback', async () => {
      using _ = resolvConf('nameserver 127.0.0.1\nsearch a.example\n');
      const names = createSocket('udp4');
      const asked: Buffer[] = [];
      names.on('message', (message, { port, address }) => {
        asked.push(message);
        // The same question back, as an answer without any.
        names.send(
          Buffer.concat([message.subarray(0, 2), Buffer.from([0x81, 0x83]), message.subarray(4)]),
          port,
          address,
        );
      });
      await new Promise<void>((resolve) => names.bind(53, '127.0.0.1', resolve));
      const status = await launch();
      expect(await inside(status.id, 'cat /etc/resolv.conf')).toBe('nameserver 10.0.2.3\nsearch a.example\n');
      await inside(status.id, 'nslookup gantry.example. >/dev/null 2>&1');
      expect(asked.some((message) => message.includes('gantry'))).toBe(true);
      await end(status);
      names.close();
    });

    it('is shared by a pod and by those nested in it', async () => {
      const { containerizer, image } = host;
      const pod = await containerizer.launchPod({
        network: 'user',
        ports: [{ containerPort: 80 }],
        containers: [
          { id: `one-${userStack}`, image, ...server },
          { id: `two-${userStack}`, image, ...waits },
        ],
      });
      await outputMatching(containerizer, `one-${userStack}`, /ready/);
      const { ports } = await containerizer.status(pod.id);
      expect(await speak('127.0.0.1', ports?.[0]?.hostPort ?? 0)).toBe('served\n');
      const nested = await containerizer.launch({ image, ...waits, parent: `two-${userStack}` });
      for (const id of [`two-${userStack}`, nested.id])
        expect(
          await inside(
            id,
            `timeout 5 wget -q -O - http://${outside.ipv4}:${far.port}/; timeout 5 wget -q -O - http://127.0.0.1/`,
          ),
        ).toBe('hello\nserved\n');
      await containerizer.destroy(pod.id);
      expect(stacks()).toEqual([]);
    });

    it('leaves nothing', async () => {
      const before = { links: readdirSync('/sys/class/net'), stacks: stacks() };
      expect(before.stacks).toEqual([]);
      const status = await launch({ ports: [{ containerPort: 80 }] });
      expect(stacks().length).toBe(1);
      await end(status);
      expect({ links: readdirSync('/sys/class/net'), stacks: stacks() }).toEqual(before);
      expect(readdirSync(`${host.stateRoot}/netns`)).toEqual([]);
      const places = readdirSync(join(host.root, 'networks')).map((place) => join(host.root, 'networks', place));
      expect(places.flatMap((place) => readdirSync(place).filter((name) => !name.startsWith('.')))).toEqual([]);
      expect(
        places.flatMap((place) =>
          readdirSync(place)
            .filter((name) => name === '.ports')
            .flatMap((name) => readdirSync(join(place, name))),
        ),
      ).toEqual([]);
    });

    describe('outlives its host program', () => {
      const networks = { userStack };
      const places = () => [host.root, `${host.stateRoot}-heir`] as const;
      const heir = () => createContainerizer({ root: places()[0], stateRoot: places()[1], networks });

      /** Has a host program launch a container, and kills it unless that ends it by itself. */
      async function launchAndDie(id: string, path = process.env['PATH'] ?? ''): Promise<string> {
        const program = spawn(process.execPath, [script, ...places(), JSON.stringify(networks)], {
          stdio: ['pipe', 'pipe', 'inherit'],
          env: { ...process.env, PATH: path },
        });
        const spec = { ...server, id, image: host.image, network: 'user', ports: [{ containerPort: 80 }] };
        program.stdin.write(`${JSON.stringify({ launch: spec })}\n`);
        const ended = once(program, 'exit');
        const told = await Promise.race([
          once(program.stdout, 'data').then(([text]) => String(text)),
          ended.then(() => ''),
        ]);
        program.kill('SIGKILL');
        await ended;
        expect(told).not.toContain('"error"');
        return told;
      }

      it('with its ports, and is ended by the next one', async () => {
        const told = JSON.parse(await launchAndDie('survivor')) as ContainerStatus;
        await using next = await heir();
        expect(await next.recover()).toMatchObject({ running: ['survivor'], failed: [] });
        expect(await next.status('survivor')).toMatchObject({ networks: told.networks, ports: told.ports });
        await outputMatching(next, 'survivor', /ready/);
        expect(await speak('127.0.0.1', told.ports?.[0]?.hostPort ?? 0)).toBe('served\n');
        expect(stacks().length).toBe(1);
        await next.destroy('survivor');
        await next.remove('survivor');
        expect(stacks()).toEqual([]);
      });

      it('and its end is noticed by the next one', async () => {
        await launchAndDie('cut');
        for (const pid of stacks()) process.kill(pid, 'SIGKILL');
        await using next = await heir();
        await next.recover();
        expect(await next.wait('cut')).toMatchObject({ limitation: { resource: 'network' } });
        await next.destroy('cut');
        await next.remove('cut');
      });

      it('but not where that was killed while it was being attached', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'gantry-stack-'));
        const name = userStack === 'pasta' ? 'pasta' : '"$name"';
        // Kills its host program, which has written down nothing yet of what then goes on.
        const fake = `#!/bin/bash
for one; do case $one in */netns/*) name="slirp4netns $one";; esac; done
kill -9 $PPID
exec -a ${name} /usr/bin/${userStack} "$@" 2>/dev/null 3>/dev/null`;
        writeFileSync(join(folder, userStack), fake, { mode: 0o755 });
        expect(await launchAndDie('half', `${folder}:${process.env['PATH']}`)).toBe('');
        rmSync(folder, { recursive: true });
        await expect.poll(() => stacks().length, { timeout: 10_000 }).toBe(1);
        await using next = await heir();
        expect((await next.recover()).failed).toEqual([]);
        expect(stacks()).toEqual([]);
        await next.remove('half');
      });
    });

    it('ends a container whose connection has ended', async () => {
      const status = await launch();
      for (const pid of stacks()) process.kill(pid, 'SIGKILL');
      expect(await host.containerizer.wait(status.id)).toMatchObject({
        exit: { type: 'signaled' },
        limitation: { isolator: 'network/cni', resource: 'network' },
      });
      await end(status);
    });

    it('fails, and leaves nothing, where the stack does not come up', async () => {
      using _ = denied('/dev/net/tun');
      await expect(launch()).rejects.toMatchObject({ code: expect.stringMatching(/^(REFUSED|PLUGIN_ERROR)$/) });
      expect(stacks()).toEqual([]);
    });
  });
});

/** Sends a text by UDP, from a socket that is bound to an interface, and says what comes back within a second. */
function udpClient(address: string, port: number, text: string, device?: string): string {
  const bind = device === undefined ? '' : `s.setsockopt(socket.SOL_SOCKET, 25, b"${device}")`;
  return `/usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
${bind}
try:
  s.sendto(b"${text}", ("${address}", ${port})); print(s.recv(100).decode())
except OSError: print("no answer")'`;
}

/** What a server of HTTP serves. */
async function speak(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  socket.write('GET / HTTP/1.0\r\n\r\n');
  let text = '';
  for await (const piece of socket) text += String(piece);
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}

/** What comes back for a text that is sent by UDP. */
async function echoOf(host: string, port: number, text: string): Promise<string> {
  const socket = createSocket('udp4');
  const answer = once(socket, 'message');
  socket.send(text, port, host);
  const [message] = await answer;
  socket.close();
  return String(message);
}

/** The processes that connect containers' networks to the host's. */
function stacks(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/cmdline`))
    .filter((name) => /^(pasta|slirp4netns)/.test(read(`/proc/${name}/cmdline`)))
    .map(Number);
}

/** Empty for a process that is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Has the host's resolv.conf say something else. */
function resolvConf(text: string): Disposable {
  const path = join(mkdtempSync(join(tmpdir(), 'gantry-resolv-')), 'resolv.conf');
  writeFileSync(path, text);
  return laidOver(path, '/etc/resolv.conf');
}

/** Lays a file of no device over one. */
function denied(path: string): Disposable {
  return laidOver(join(mkdtempSync(join(tmpdir(), 'gantry-denied-')), 'nothing'), path);
}

function laidOver(file: string, path: string): Disposable {
  writeFileSync(file, '', { flag: 'a' });
  execFileSync('mount', ['--bind', file, path]);
  return {
    [Symbol.dispose]() {
      execFileSync('umount', [path]);
      rmSync(dirname(file), { recursive: true });
    },
  };
}
