import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import type { ContainerSpec } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { inNetwork, layVeth } from './veth.js';

const sleeps = { command: ['/bin/sleep', '1000'] };

/** A TCP server that greets, and a UDP one that counts, on one port of all addresses. */
async function servers() {
  const tcp = createServer((socket) => socket.on('error', () => undefined).end('hello\n')).listen(0, '::');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const received: string[] = [];
  const udp = createSocket({ type: 'udp6' }).on('message', (message) => received.push(message.toString()));
  await new Promise<void>((resolve) => udp.bind(port, '::', resolve));
  const close = () => {
    tcp.close();
    udp.close();
  };
  return { port, received, udp, close };
}

requires({ root: true, commands: ['nft', 'nsenter', 'ip'], packages: ['nftables', 'util-linux', 'iproute2'] })(
  'network/egress',
  () => {
    let host: TestHost;
    let open: Awaited<ReturnType<typeof servers>>;
    let closed: Awaited<ReturnType<typeof servers>>;
    beforeAll(async () => {
      [host, open, closed] = await Promise.all([startHost(), servers(), servers()]);
    });
    afterAll(async () => {
      open.close();
      closed.close();
      await host[Symbol.asyncDispose]();
    });

    async function launch(cable: number, spec: Partial<ContainerSpec>) {
      const { id, pid } = await host.containerizer.launch({ image: host.image, ...sleeps, ...spec });
      const veth = layVeth(pid ?? 0, cable);
      return { id, pid: pid ?? 0, veth };
    }

    async function sh(id: string, script: string): Promise<{ code: number; output: string }> {
      await using entered = await host.containerizer.exec(id, { command: ['/bin/sh', '-c', script] });
      entered.stdin.end();
      let output = '';
      const read = async (stream: AsyncIterable<Buffer>) => {
        for await (const chunk of stream) output += chunk.toString();
      };
      await Promise.all([read(entered.stdout), read(entered.stderr)]);
      const exit = await entered.exit;
      return { code: exit.type === 'exited' ? exit.code : -1, output };
    }

    const greets = (address: string, port: number) => `nc -w 1 ${address} ${port} </dev/null`;

    function policyFor(n: number): ContainerSpec['egress'] {
      return {
        allow: [
          { cidr: `10.213.${n}.1`, protocol: 'tcp', ports: [open.port] },
          { cidr: `fd00:213:${n}::/64`, ports: [{ first: open.port, last: open.port }] },
        ],
      };
    }

    it('lets through what is allowed, and drops TCP, UDP and ICMP of both versions that is not', async () => {
      const { id, veth, pid } = await launch(1, { egress: policyFor(1) });
      using _ = veth;
      for (const address of [veth.host.ipv4, veth.host.ipv6]) {
        expect(await sh(id, greets(address, open.port))).toMatchObject({ code: 0, output: 'hello\n' });
        expect((await sh(id, greets(address, closed.port))).output).not.toContain('hello');
      }
      // Without the rules, below, the same commands reach everything.
      const pings = {
        ipv4: `busybox ping -c 1 -W 1 ${veth.host.ipv4}`,
        ipv6: `busybox ping -6 -c 1 -W 1 ${veth.host.ipv6}`,
      };
      for (const ping of Object.values(pings)) expect(() => inNetwork(pid, ...ping.split(' '))).toThrow();
      const send = (address: string, port: number, text: string) =>
        inNetwork(pid, 'bash', '-c', `echo ${text} >/dev/udp/${address}/${port} || :`);
      send(veth.host.ipv4, open.port, 'forbidden-udp4');
      send(veth.host.ipv6, closed.port, 'forbidden-udp6');
      // In fragments, of which only the first has a port.
      const pieces = (port: number, letter: string) =>
        inNetwork(
          pid,
          'bash',
          '-c',
          `head -c 5000 /dev/zero | tr '\\0' ${letter} >/dev/udp/${veth.host.ipv6}/${port} || :`,
        );
      pieces(closed.port, 'f');
      pieces(open.port, 'a');
      send(veth.host.ipv6, open.port, 'allowed-udp6');
      await expect.poll(() => open.received.join('')).toMatch(/a{5000}/);
      await expect.poll(() => open.received.join('')).toContain('allowed-udp6');
      expect(closed.received.join('')).toBe('');
      expect([...open.received, ...closed.received].join('')).not.toContain('forbidden');

      inNetwork(pid, 'nft', 'flush', 'ruleset');
      expect((await sh(id, greets(veth.host.ipv4, closed.port))).output).toBe('hello\n');
      for (const ping of Object.values(pings)) inNetwork(pid, ...ping.split(' '));
      send(veth.host.ipv4, open.port, 'free-udp4');
      await expect.poll(() => open.received.join('')).toContain('free-udp4');
      await host.containerizer.destroy(id);
    });

    it('lets it ask the servers of its names, and nobody else', async () => {
      const { id, veth } = await launch(5, {
        egress: { allow: [], dns: true },
        dns: { servers: ['10.213.5.1', 'fd00:213:5::1'] },
      });
      using _ = veth;
      const asked: string[] = [];
      const names = createSocket('udp6');
      names.on('message', (message, { port, address }) => {
        asked.push(message.toString('latin1'));
        // The same question back, as an answer without any.
        names.send(
          Buffer.concat([message.subarray(0, 2), Buffer.from([0x81, 0x83]), message.subarray(4)]),
          port,
          address,
        );
      });
      await new Promise<void>((resolve) => names.bind(53, '::', resolve));
      for (const server of [veth.host.ipv4, veth.host.ipv6])
        await sh(id, `nslookup via-${server.length}.example. ${server}`);
      for (const server of [veth.host.ipv4, veth.host.ipv6])
        await expect.poll(() => asked.some((message) => message.includes(`via-${server.length}`))).toBe(true);
      names.close();
      expect((await sh(id, greets(veth.host.ipv4, open.port))).output).not.toContain('hello');
      await host.containerizer.destroy(id);
    });

    it('lets the container answer who connects to it', async () => {
      const { id, veth } = await launch(2, {
        egress: { allow: [] },
        command: ['/bin/sh', '-c', 'while :; do echo served | nc -l -p 80; done'],
      });
      using _ = veth;
      await expect
        .poll(() => inNetwork(process.pid, 'sh', '-c', `busybox nc -w 1 ${veth.container.ipv4} 80 </dev/null || :`))
        .toBe('served\n');
      expect((await sh(id, greets(veth.host.ipv4, open.port))).output).not.toContain('hello');
      expect((await sh(id, `(echo local | nc -l -p 81 &); sleep 0.2; ${greets('127.0.0.1', 81)}`)).output).toBe(
        'local\n',
      );
      await host.containerizer.destroy(id);
    });

    it('cannot be undone by the root of the container', async () => {
      const { id, veth, pid } = await launch(3, {
        egress: { allow: [] },
        mounts: ['/usr', '/lib', '/lib64'].map(
          (path) => ({ type: 'bind', source: path, target: path, readonly: true }) as const,
        ),
      });
      using _ = veth;
      const before = inNetwork(pid, 'nft', 'list', 'ruleset');
      expect(before).toContain('policy drop');
      for (const attempt of [
        '/usr/sbin/nft flush ruleset',
        '/usr/bin/nsenter --net=/proc/1/ns/net /usr/sbin/nft flush ruleset',
        '/usr/bin/unshare -Ur /usr/bin/nsenter --net=/proc/1/ns/net /usr/sbin/nft flush ruleset',
        '/usr/sbin/ip link set eth0 down',
      ]) {
        expect((await sh(id, attempt)).code, attempt).not.toBe(0);
      }
      expect(inNetwork(pid, 'nft', 'list', 'ruleset')).toBe(before);
      // Neither raw nor packet sockets: the latter pass every rule.
      const raw = (family: string, type: string) =>
        sh(id, `/usr/bin/python3 -c "import socket; socket.socket(socket.${family}, socket.${type}, 255)"`);
      expect((await raw('AF_INET', 'SOCK_RAW')).output).toMatch(/PermissionError|Operation not permitted/);
      expect((await raw('AF_PACKET', 'SOCK_RAW')).output).toMatch(/PermissionError|Operation not permitted/);
      await host.containerizer.destroy(id);
    });

    it('is shared by pods and by those nested in them, who cannot have the means to undo it', async () => {
      const { containerizer, image } = host;
      const pod = await containerizer.launchPod({
        egress: policyFor(4),
        containers: [{ id: 'in-pod', image, ...sleeps }],
      });
      const { pid = 0 } = await containerizer.status(pod.id);
      using veth = layVeth(pid, 4);
      const nested = await containerizer.launch({ image, parent: 'in-pod', ...sleeps });
      for (const id of ['in-pod', nested.id]) {
        expect((await sh(id, greets(veth.host.ipv4, open.port))).output).toBe('hello\n');
        expect((await sh(id, greets(veth.host.ipv4, closed.port))).output).not.toContain('hello');
      }
      const refused = (spec: object) =>
        expect(containerizer.launch({ image, parent: 'in-pod', ...sleeps, ...spec })).rejects;
      await refused({ capabilities: { add: ['NET_ADMIN'] } }).toMatchObject({ code: 'REFUSED' });
      await refused({ capabilities: { add: ['cap_net_raw'] } }).toMatchObject({ code: 'REFUSED' });
      await refused({ egress: { allow: [] } }).toMatchObject({ code: 'INVALID_ARGUMENT' });
      // One with a network of its own that sees the others' processes could enter theirs.
      const beside = { share: ['pid'], capabilities: { add: ['SYS_ADMIN'] } };
      await refused(beside).toThrow(/network\/egress.*CAP_SYS_ADMIN/);
      await containerizer.destroy(pod.id);
    });

    it.each([
      ['does not take the rules', 'echo no chain types >&2; exit 1', /the rules could not be loaded: no chain types;/],
      ['says that it did, and shows none', 'cat >/dev/null', /the rules are not there although they were loaded/],
      ['cannot be run', undefined, /the rules could not be loaded: .*nft/],
    ])('keeps a container from running where the kernel %s', async (_, script, message) => {
      await using folder = await temporaryFolder();
      // It is found by PATH, in place of the host's own.
      const content = script === undefined ? '#!/no/such/shell\n' : `#!/bin/sh\n${script}\n`;
      writeFileSync(join(folder.path, 'nft'), content, { mode: 0o755 });
      const path = process.env['PATH'] ?? '';
      process.env['PATH'] = `${folder.path}:${path}`;
      const mounts = [{ type: 'bind', source: folder.path, target: '/shared' }] as const;
      const command = ['/bin/touch', '/shared/ran'];
      try {
        await expect(
          host.containerizer.launch({ image: host.image, id: 'unguarded', egress: { allow: [] }, mounts, command }),
        ).rejects.toMatchObject({
          code: 'REFUSED',
          message: expect.stringMatching(message),
          details: { isolator: 'network/egress' },
        });
      } finally {
        process.env['PATH'] = path;
      }
      expect(existsSync(join(folder.path, 'ran'))).toBe(false);
      expect(await host.containerizer.status('unguarded')).toMatchObject({ state: 'DESTROYED' });
      await host.containerizer.remove('unguarded');
      // The same one, with the host's own nft.
      const again = await host.run({ id: 'unguarded', egress: { allow: [] }, mounts, command });
      expect(again.termination).toMatchObject({ exit: { code: 0 } });
      expect(existsSync(join(folder.path, 'ran'))).toBe(true);
      await host.containerizer.remove('unguarded');
    });

    it('is refused where it could not hold', async () => {
      const refused = (spec: object) =>
        expect(host.containerizer.launch({ image: host.image, ...sleeps, egress: { allow: [] }, ...spec })).rejects;
      await refused({ capabilities: { add: ['NET_ADMIN'] } }).toThrow(/network\/egress.*CAP_NET_ADMIN/);
      await refused({ network: 'host' }).toThrow(/network\/egress.*network of its own/);
      await refused({ egress: { allow: [{ cidr: '10.0.0.1/8' }] } }).toThrow(/spec\.egress\.allow\[0\]\.cidr/);
      await refused({ egress: { allow: [{ cidr: 'fe80::1%eth0' }] } }).toThrow(/cidr/);
      await refused({ egress: { allow: [], dns: true } }).toThrow(/spec\.dns\.servers/);
    });
  },
);
