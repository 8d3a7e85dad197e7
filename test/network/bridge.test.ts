import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching } from '../launch/host.js';
import { requires } from '../support/requires.js';
import {
  bridged,
  deleteLinks,
  execIn,
  type NetworkHost,
  needs,
  portmap,
  sh,
  startNetworkHost,
  waits,
  writeNetwork,
} from './networks.js';

requires(needs)('a container on a bridge', () => {
  let net: NetworkHost;
  beforeAll(async () => {
    net = await startNetworkHost({
      '10-first.conflist': bridged('first', 'gtest0', 61, portmap, { type: 'firewall' }),
      '20-second.conflist': bridged('second', 'gtest1', 62),
      '30-third.conflist': bridged('third', 'gtest2', 63),
    });
  });
  afterAll(async () => {
    await net[Symbol.asyncDispose]();
    deleteLinks('gtest0', 'gtest1', 'gtest2', 'gtest3');
  });

  it('has an address, routes, names and loopback, and tells them', async () => {
    const { containerizer, image } = net.host;
    const { id, networks } = await containerizer.launch({
      image,
      ...waits,
      hostname: 'box',
      networks: [{ name: 'default' }],
    });
    const inside = async (script: string) => execIn(net, id, script);
    expect(networks).toEqual([
      {
        name: 'first',
        interface: 'eth0',
        mac: (await inside('cat /sys/class/net/eth0/address')).trim(),
        addresses: [
          { address: '10.61.0.2/16', gateway: '10.61.0.1' },
          { address: 'fd00:61::2/64', gateway: 'fd00:61::1' },
        ],
        routes: [{ destination: '0.0.0.0/0' }, { destination: '::/0' }],
      },
    ]);
    expect(await inside('ip -o addr show dev eth0')).toContain('10.61.0.2/16');
    expect(await inside('ip route')).toContain('default via 10.61.0.1');
    expect(await inside('ip -o addr show dev lo')).toContain('127.0.0.1/8');
    expect(await inside('cat /etc/hosts')).toBe(
      '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.61.0.2\tbox\nfd00:61::2\tbox\n',
    );
    expect(await inside('cat /etc/hostname')).toBe('box\n');
    expect(await inside('cat /proc/sys/net/ipv6/conf/eth0/accept_ra')).toBe('0\n');
    const { network = [] } = await containerizer.usage(id);
    expect(network.map((one) => one.interface)).toEqual(['eth0']);
    await containerizer.destroy(id);
    await containerizer.remove(id);
  });

  it('speaks to another by address and by name', async () => {
    const { containerizer, image } = net.host;
    const server = await containerizer.launch({
      image,
      ...sh('echo ready; while :; do echo "hello from $(hostname)" | nc -l -p 7000; done'),
      hostname: 'server',
      networks: [{ name: 'first' }],
    });
    await outputMatching(containerizer, server.id, /ready/);
    const addresses = server.networks?.[0]?.addresses.map(({ address }) => address.split('/')[0] ?? '') ?? [];
    const extraHosts = addresses.map((address) => ({ address, names: ['server', 'server.example'] }));
    const client = await containerizer.launch({ image, ...waits, networks: [{ name: 'first' }], extraHosts });
    for (const target of [addresses[0], 'server', 'server.example']) {
      expect(await execIn(net, client.id, `until nc ${target} 7000; do sleep 0.05; done`)).toBe('hello from server\n');
    }
    const before = (await containerizer.usage(client.id)).network?.[0];
    expect(before?.receivedBytes).toBeGreaterThan(100);
    expect(before?.sentPackets).toBeGreaterThan(3);
    for (const { id } of [client, server]) await containerizer.destroy(id);
  });

  it('joins three networks, with names and addresses of its choice', async () => {
    const { containerizer, image } = net.host;
    const { id, networks } = await containerizer.launch({
      image,
      ...waits,
      networks: [
        { name: 'third', ips: ['10.63.0.77'], mac: 'c2:11:22:33:44:55' },
        { name: 'first', interface: 'front0' },
        { name: 'second' },
      ],
    });
    expect(networks?.map((one) => [one.name, one.interface])).toEqual([
      ['third', 'eth0'],
      ['first', 'front0'],
      ['second', 'eth2'],
    ]);
    expect(networks?.[0]).toMatchObject({
      mac: 'c2:11:22:33:44:55',
      addresses: expect.arrayContaining([expect.objectContaining({ address: '10.63.0.77/16' })]),
    });
    expect((await execIn(net, id, 'ls /sys/class/net')).trim().split(/\s+/)).toEqual(['eth0', 'eth2', 'front0', 'lo']);
    expect(await execIn(net, id, 'cat /sys/class/net/eth0/address')).toBe('c2:11:22:33:44:55\n');
    expect(await execIn(net, id, 'ip -o addr show dev eth0')).toContain('10.63.0.77/16');
    await containerizer.destroy(id);
  });

  it('leaves nothing behind', async () => {
    const { containerizer, image } = net.host;
    const rules = () =>
      execFileSync('iptables-save', { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line.startsWith('-A'));
    const spec = { image, ...waits, networks: [{ name: 'first' }], ports: [{ containerPort: 80 }] };
    // What plugins make once, for all containers to come, stays.
    const first = await containerizer.launch(spec);
    await containerizer.destroy(first.id);
    const before = { links: readdirSync('/sys/class/net'), rules: rules() };
    const { id } = await containerizer.launch(spec);
    expect(readdirSync('/sys/class/net').length).toBeGreaterThan(before.links.length);
    expect(rules().length).toBeGreaterThan(before.rules.length);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toContain(`/netns/${id}`);
    await containerizer.destroy(id);
    expect({ links: readdirSync('/sys/class/net'), rules: rules() }).toEqual(before);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(`/netns/${id}`);
    expect(
      readdirSync(`${net.leases}/first`).filter((name) => name.startsWith('10.') || name.startsWith('fd')),
    ).toEqual([]);
    expect(readdirSync(`${net.host.stateRoot}/netns`)).toEqual([]);
    await containerizer.remove(id);
  });

  it('can have names without a network, and its own files in place of those that are made', async () => {
    const { host } = net;
    const dns = { servers: ['192.0.2.53'], search: ['a.example'], options: ['ndots:3'] };
    const extraHosts = [{ address: '192.0.2.7', names: ['seven', 'seven.example'] }];
    const none = await host.run({
      ...sh('cat /etc/hosts /etc/resolv.conf /etc/hostname'),
      hostname: 'box',
      dns,
      extraHosts,
    });
    expect(none.stdout).toBe(
      '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tbox\n192.0.2.7\tseven seven.example\n' +
        'nameserver 192.0.2.53\nsearch a.example\noptions ndots:3\nbox\n',
    );
    writeFileSync(join(net.configFolder, 'hosts'), 'mine\n');
    const mounts = [{ type: 'bind', source: join(net.configFolder, 'hosts'), target: '/etc/hosts' }] as const;
    const own = await host.run({
      ...sh('cat /etc/hosts; echo >>/etc/resolv.conf'),
      mounts,
      networks: [{ name: 'second' }],
    });
    expect(own.stdout).toBe('mine\n');
    expect(own.stderr).toContain('Read-only file system');
  });

  it('finds a network that was added after its host program began', async () => {
    const { containerizer, image } = net.host;
    const spec = { image, ...waits, networks: [{ name: 'late' }] };
    await expect(containerizer.launch(spec)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringMatching(
        /^network\/cni: there is no network 'late' .* first, second, third; add its configuration/,
      ),
    });
    writeNetwork(net, '40-late.conflist', bridged('late', 'gtest3', 64));
    const { id, networks } = await containerizer.launch(spec);
    expect(networks?.[0]?.addresses[0]?.address).toBe('10.64.0.2/16');
    await containerizer.destroy(id);
  });
});
