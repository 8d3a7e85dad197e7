import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerSpec } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseNetworkConfigList } from '../src/index.js';
import { fileMounts } from '../src/isolator/files.js';
import { sweepLeases } from '../src/isolator/host-local.js';
import { parseNetDev } from '../src/isolator/interface-usage.js';
import { masqueradeDeletions } from '../src/isolator/masquerade.js';
import { dnsOf, hostDns, hostsText, parseResolv, resolvText } from '../src/isolator/name-service.js';
import { planAttachments } from '../src/isolator/plan.js';
import { PortLeases } from '../src/isolator/ports.js';
import { statusOf } from '../src/isolator/status.js';
import { verify } from '../src/isolator/verify.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-net-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const listOf = (name: string, ...plugins: object[]) =>
  parseNetworkConfigList(
    JSON.stringify({ cniVersion: '1.0.0', name, plugins: plugins.length > 0 ? plugins : [{ type: 'bridge' }] }),
  );

describe('the plan of attachments', () => {
  const configurations = {
    networks: [
      { file: 'a', list: listOf('first', { type: 'bridge', capabilities: { mac: true, ips: true, dns: true } }) },
      {
        file: 'b',
        list: listOf(
          'second',
          { type: 'bridge' },
          { type: 'portmap', capabilities: { portMappings: true, bandwidth: true, cgroupPath: true } },
        ),
      },
    ],
    failures: [],
  };
  const plan = (spec: Partial<ContainerSpec>) =>
    planAttachments({ spec: { image: 'i', ...spec }, cgroupPath: '/gantry/c' }, configurations, '/etc/net');

  it('names interfaces, finds the default network and the one that maps ports, and gives plugins what they declare', () => {
    const planned = plan({
      networks: [
        { name: 'default', mac: 'C2:11:22:33:44:55', ips: ['10.0.0.1'] },
        { name: 'second', bandwidth: { ingressRate: 100_000_000 } },
      ],
      ports: [{ containerPort: 80 }],
      dns: { servers: ['1.1.1.1'], search: ['a'] },
    });
    expect(planned.map(({ list, ifName, mapsPorts }) => [list.name, ifName, mapsPorts])).toEqual([
      ['first', 'eth0', false],
      ['second', 'eth1', true],
    ]);
    expect(planned.map(({ capabilityArgs }) => capabilityArgs)).toEqual([
      { mac: 'c2:11:22:33:44:55', ips: ['10.0.0.1'], dns: { servers: ['1.1.1.1'], searches: ['a'] } },
      { bandwidth: { ingressRate: 100_000_000, ingressBurst: 10_000_000 }, cgroupPath: '/gantry/c' },
    ]);
  });

  it.each<[string, Partial<ContainerSpec>, RegExp]>([
    [
      'a network that is not there',
      { networks: [{ name: 'third' }] },
      /no network 'third' among those of \/etc\/net, which are: first, second/,
    ],
    [
      'an address that no plugin gives',
      { networks: [{ name: 'second', ips: ['10.0.0.1'] }] },
      /for ips, which none of its plugins declares/,
    ],
    [
      'a capability of no plugin',
      { networks: [{ name: 'first', capabilities: { deviceID: '0000:04:00.5' } }] },
      /for deviceID/,
    ],
    [
      'ports without a network that maps them',
      { networks: [{ name: 'first' }], ports: [{ containerPort: 1 }] },
      /none of the container's networks maps ports \(first\)/,
    ],
  ])('refuses %s', (_, spec, message) => {
    expect(() => plan(spec)).toThrow(
      expect.objectContaining({ code: 'REFUSED', message: expect.stringMatching(message) }),
    );
  });

  it.each(['lo', 'eth0', 'a/b', 'sixteen-bytes-xx', 'a b', '..'])('refuses an interface called %s', (name) => {
    const networks = [
      { name: 'first', interface: 'eth0' },
      { name: 'second', interface: name },
    ];
    expect(() => plan({ networks })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'spec.networks[1].interface' } }),
    );
  });
});

describe('names', () => {
  it('of the container are those of its addresses, of the loopback if it has none', () => {
    const results = [{ ips: [{ address: '10.1.0.2/16' }, { address: 'fd00::2/64' }] }];
    expect(hostsText('box', results, [{ address: '10.0.0.9', names: ['nine', 'nine.example'] }])).toBe(
      '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.0.2\tbox\nfd00::2\tbox\n10.0.0.9\tnine nine.example\n',
    );
    expect(hostsText('box', [])).toContain('127.0.1.1\tbox\n');
  });

  const host = () => ({ servers: ['9.9.9.9'], search: ['host.example'], options: ['rotate'] });
  const told = [
    { dns: { nameservers: ['10.1.0.1'], domain: 'net.example' } },
    { dns: { nameservers: ['10.1.0.1', '10.2.0.1'] } },
  ];

  it('are asked of whom the spec says, else the networks, else the host', () => {
    expect(dnsOf({}, [], host)).toEqual(host());
    expect(dnsOf({}, told, host)).toEqual({ servers: ['10.1.0.1', '10.2.0.1'], search: ['net.example'], options: [] });
    expect(dnsOf({ dns: { search: ['own.example'], options: ['ndots:3'] } }, [], host)).toEqual({
      servers: ['9.9.9.9'],
      search: ['own.example'],
      options: ['ndots:3'],
    });
    expect(dnsOf({ dns: { servers: ['1.1.1.1'] } }, told, host)).toMatchObject({
      servers: ['1.1.1.1'],
      search: ['net.example'],
    });
  });

  it('are written and read as resolv.conf has them', () => {
    const dns = { servers: ['1.1.1.1', 'fd00::53'], search: ['a.example', 'b.example'], options: ['ndots:2', 'edns0'] };
    expect(resolvText(dns)).toBe(
      'nameserver 1.1.1.1\nnameserver fd00::53\nsearch a.example b.example\noptions ndots:2 edns0\n',
    );
    expect(parseResolv(`# a comment\n${resolvText(dns)}; another\n`)).toEqual(dns);
    expect(resolvText({})).toBe('');
  });

  it('of the host are asked of no loopback address, but of the servers behind it', () => {
    const [own, upstream] = [join(folder, 'own'), join(folder, 'upstream')];
    writeFileSync(own, 'nameserver 127.0.0.53\nsearch a.example\noptions edns0\n');
    expect(hostDns(own, upstream)).toEqual({ servers: [], search: ['a.example'], options: ['edns0'] });
    writeFileSync(upstream, 'nameserver 192.0.2.1\nsearch b.example\n');
    expect(hostDns(own, upstream)).toEqual({ servers: ['192.0.2.1'], search: ['b.example'], options: [] });
    writeFileSync(own, 'nameserver ::1\nnameserver 192.0.2.7\n');
    expect(hostDns(own, upstream).servers).toEqual(['192.0.2.7']);
    expect(hostDns(join(folder, 'absent'), join(folder, 'absent')).servers).toEqual([]);
  });

  it('have their files over the image’s, unless the spec mounts its own', () => {
    const destinations = (...targets: string[]) =>
      fileMounts('/state/c', {
        image: 'i',
        mounts: targets.map((target) => ({ type: 'bind', source: '/x', target })),
      }).map((mount) => mount.destination);
    expect(destinations()).toEqual(['/etc/hosts', '/etc/resolv.conf', '/etc/hostname']);
    expect(destinations('/etc//hosts')).toEqual(['/etc/resolv.conf', '/etc/hostname']);
    expect(destinations('/etc/')).toEqual([]);
    expect(fileMounts('/state/c', { image: 'i' })[0]?.options).toContain('ro');
  });
});

describe('host ports', () => {
  const any = [{ containerPort: 80 }, { containerPort: 53, protocol: 'udp' as const }];

  it('that are free are found, each for one container, and can be bound by nobody meanwhile', async () => {
    const leases = new PortLeases(folder, () => true);
    const taken = await Promise.all(Array.from({ length: 20 }, (_, index) => leases.take(`c${index}`, any)));
    const ports = taken.flatMap((one) => one.ports.map(({ protocol, hostPort }) => `${protocol} ${hostPort}`));
    expect(new Set(ports).size).toBe(40);
    const server = createServer();
    const busy = new Promise<unknown>((resolve) => server.once('error', resolve).listen(taken[0]?.ports[0]?.hostPort));
    expect(await busy).toMatchObject({ code: 'EADDRINUSE' });
    taken.forEach((one, index) => {
      one.letGo();
      leases.release(`c${index}`, one.ports);
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that are leased are not found again, though nobody is bound to them', async () => {
    const leases = new PortLeases(folder, () => true);
    const one = await leases.take('a', [{ containerPort: 80 }]);
    one.letGo();
    const hostPort = one.ports[0]?.hostPort ?? 0;
    await expect(leases.take('b', [{ containerPort: 80, hostPort }])).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining("is another container's"),
    });
    await expect(leases.take('b', [{ containerPort: 80, hostPort, hostIp: '127.0.0.1' }])).rejects.toMatchObject({
      code: 'REFUSED',
    });
    const udp = await leases.take('b', [{ containerPort: 80, hostPort, protocol: 'udp' }]);
    udp.letGo();
    leases.release('b', one.ports);
    await expect(leases.take('b', [{ containerPort: 80, hostPort }])).rejects.toMatchObject({ code: 'REFUSED' });
    leases.release('a', one.ports);
    (await leases.take('b', [{ containerPort: 80, hostPort }])).letGo();
  });

  it('of different addresses do not exclude each other', async () => {
    const leases = new PortLeases(folder, () => true);
    const one = await leases.take('a', [{ containerPort: 80, hostIp: '127.0.0.1' }]);
    const hostPort = one.ports[0]?.hostPort ?? 0;
    const other = await leases.take('b', [{ containerPort: 80, hostPort, hostIp: '127.0.0.2' }]);
    await expect(leases.take('c', [{ containerPort: 80, hostPort }])).rejects.toMatchObject({ code: 'REFUSED' });
    for (const taken of [one, other]) taken.letGo();
  });

  it('come in ranges, all or none', async () => {
    const leases = new PortLeases(folder, () => true);
    const { ports, letGo } = await leases.take('a', [{ containerPort: 8000, hostPort: 42000, count: 3 }]);
    expect(ports).toEqual([0, 1, 2].map((at) => ({ hostPort: 42000 + at, containerPort: 8000 + at, protocol: 'tcp' })));
    letGo();
    await expect(leases.take('b', [{ containerPort: 1, hostPort: 41998, count: 4 }])).rejects.toMatchObject({
      code: 'REFUSED',
    });
    expect(readdirSync(folder).sort()).toEqual(['tcp-42000', 'tcp-42001', 'tcp-42002']);
  });

  it('in use by a program of the host are refused, and those of containers that are gone are not', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const { port } = server.address() as { port: number };
    const known = new Set(['a']);
    const leases = new PortLeases(folder, (id) => known.has(id));
    await expect(leases.take('a', [{ containerPort: 80, hostPort: port }])).rejects.toMatchObject({
      code: 'REFUSED',
      details: { errno: 'EADDRINUSE' },
    });
    expect(readdirSync(folder)).toEqual([]);
    await new Promise((resolve) => server.close(resolve));
    (await leases.take('a', [{ containerPort: 80, hostPort: port }])).letGo();
    known.delete('a');
    (await leases.take('b', [{ containerPort: 80, hostPort: port }])).letGo();
    await expect(leases.take('c', [{ containerPort: 80, hostPort: 80, hostIp: '192.0.2.1' }])).rejects.toMatchObject({
      code: 'REFUSED',
      details: { errno: 'EADDRNOTAVAIL' },
    });
  });
});

describe('leases of host-local', () => {
  const list = () => listOf('net', { type: 'bridge', ipam: { type: 'host-local', dataDir: folder } });
  const write = (name: string, content: string) => writeFileSync(join(folder, 'net', name), content);

  it('that are empty, or stale, are removed, and nothing else', async () => {
    mkdirSync(join(folder, 'net'));
    write('lock', '');
    write('last_reserved_ip.0', '10.1.0.9');
    write('10.1.0.2', 'alive\r\neth0');
    write('10.1.0.3', '');
    write('10.1.0.4', 'dead\r\neth0');
    write('fd00::3', '');
    const left = () => readdirSync(join(folder, 'net')).sort();
    expect((await sweepLeases(list(), () => false)).length).toBe(2);
    expect(left()).toEqual(['10.1.0.2', '10.1.0.4', 'last_reserved_ip.0', 'lock']);
    expect(await sweepLeases(list(), (id) => id !== 'alive')).toEqual([join(folder, 'net', '10.1.0.4')]);
    expect(left()).toEqual(['10.1.0.2', 'last_reserved_ip.0', 'lock']);
    expect(await sweepLeases(listOf('other'), () => true)).toEqual([]);
  });
});

describe('rules of masquerading', () => {
  const chain = 'CNI-0123456789abcdef01234567';
  const rules = (id: string, name: string) => [
    `-A POSTROUTING -s 10.1.0.2/32 -m comment --comment "name: \\"net\\" id: \\"${id}\\"" -j ${name}`,
    `-A ${name} -d 10.1.0.0/16 -m comment --comment "name: \\"net\\" id: \\"${id}\\"" -j ACCEPT`,
  ];

  it('of one container are deleted, with their chain, and no others', () => {
    const saved = [
      '*nat',
      `:${chain} - [0:0]`,
      ...rules('one', chain),
      ...rules('other', chain.replaceAll('0', '1')),
      'COMMIT',
    ].join('\n');
    expect(masqueradeDeletions(saved, 'net', 'one')).toBe(
      ['*nat', rules('one', chain)[0]?.replace('-A', '-D'), `-F ${chain}`, `-X ${chain}`, 'COMMIT', ''].join('\n'),
    );
    expect(masqueradeDeletions(saved, 'net', 'absent')).toBe('');
    expect(masqueradeDeletions(saved, 'elsewhere', 'one')).toBe('');
  });
});

describe('what is told of a network', () => {
  const result = {
    interfaces: [
      { name: 'cni0', mac: '00:00:00:00:00:01' },
      { name: 'eth0', mac: '00:00:00:00:00:02', mtu: 1400, sandbox: '/n' },
    ],
    ips: [
      { address: '10.1.0.2/16', gateway: '10.1.0.1', interface: 1 },
      { address: '10.9.0.1/16', interface: 0 },
    ],
    routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }],
    dns: { nameservers: ['10.1.0.1'] },
  };

  it('is the interface in the container, and its addresses', () => {
    expect(
      statusOf([{ name: 'net', ifName: 'eth0', result }], [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' }]),
    ).toEqual({
      networks: [
        {
          name: 'net',
          interface: 'eth0',
          mac: '00:00:00:00:00:02',
          mtu: 1400,
          addresses: [{ address: '10.1.0.2/16', gateway: '10.1.0.1' }],
          routes: [{ destination: '0.0.0.0/0', gateway: '10.1.0.1' }],
          dns: { servers: ['10.1.0.1'] },
        },
      ],
      ports: [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
    });
  });

  it('has to be what was asked for', () => {
    expect(() => verify({ name: 'net', ips: ['10.1.0.2'], mac: '00:00:00:00:00:02' }, 'eth0', result)).not.toThrow();
    expect(() => verify({ name: 'net', ips: ['10.1.0.3/16'] }, 'eth0', result)).toThrow(
      /asked for the address 10\.1\.0\.3\/16 and gave 10\.1\.0\.2/,
    );
    expect(() => verify({ name: 'net', mac: '00:00:00:00:00:03' }, 'eth0', result)).toThrow(
      /asked for the hardware address/,
    );
    expect(() =>
      verify({ name: 'net', ips: ['fd00:0:0::1'] }, 'eth0', { ips: [{ address: 'fd00::1/64' }] }),
    ).not.toThrow();
  });

  it('is counted by the kernel', () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    4231      12    1    2    0     0          0         3     1042      14    3    4    0     0       0          0
`;
    expect(parseNetDev(text)).toEqual([
      {
        interface: 'eth0',
        receivedBytes: 4231,
        receivedPackets: 12,
        receiveErrors: 1,
        receiveDropped: 2,
        sentBytes: 1042,
        sentPackets: 14,
        sendErrors: 3,
        sendDropped: 4,
      },
    ]);
  });
});
