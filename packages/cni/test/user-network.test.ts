import { describe, expect, it } from 'vitest';
import { hasDefaultRoute4, hasDefaultRoute6, inside, resultOf } from '../src/user/addresses.js';
import { chooseStack, type StackHost } from '../src/user/choice.js';
import { nameOf, pastaArguments, slirpArguments } from '../src/user/command.js';
import { probeUserNetwork } from '../src/user/probe.js';
import { isStackOf } from '../src/user/strays.js';

const both = { ipv4: true, ipv6: true };
const host: StackHost = {
  isRoot: false,
  programs: { pasta: '/usr/bin/pasta', slirp4netns: '/usr/bin/slirp4netns' },
  families: both,
  pastaVersion: () => 'pasta 0.0~git20240326.4988e2b-1',
};
const request = {
  ifName: 'eth0',
  netNS: '/run/gantry/netns/box',
  families: both,
  ports: [
    { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
    { hostPort: 53, containerPort: 5353, protocol: 'udp', hostIP: '192.0.2.1' },
  ],
};

describe('the stack of a user network', () => {
  it('is pasta for an ordinary user, slirp4netns for root, and the other where that cannot be', () => {
    expect(chooseStack(host)).toEqual({ stack: 'pasta', program: '/usr/bin/pasta', families: both });
    expect(chooseStack({ ...host, isRoot: true })).toMatchObject({
      stack: 'slirp4netns',
      families: { ipv4: true, ipv6: false },
    });
    expect(chooseStack({ ...host, programs: { slirp4netns: '/x' } }).stack).toBe('slirp4netns');
    expect(chooseStack({ ...host, isRoot: true, programs: { pasta: '/x' } }).stack).toBe('pasta');
    expect(chooseStack({ ...host, families: { ipv4: false, ipv6: false } }).stack).toBe('slirp4netns');
  });

  it('is no pasta of 2023, unless that is asked for', () => {
    for (const version of ['pasta unknown version', 'pasta 2023_12_30.f091893', '']) {
      const old = { ...host, pastaVersion: () => version };
      expect(chooseStack(old).stack).toBe('slirp4netns');
      expect(chooseStack(old, 'pasta').stack).toBe('pasta');
    }
    expect(chooseStack({ ...host, pastaVersion: () => 'pasta 2024_02_20.1e6f92b' }).stack).toBe('pasta');
  });

  it('is refused, with what is wrong with each, where there is none', () => {
    const refusal = (some: Partial<StackHost>) => () => chooseStack({ ...host, ...some });
    expect(refusal({ programs: {} })).toThrow(
      /network\/cni: network 'user': pasta is not installed \(package passt\), slirp4netns is not installed .*; install passt or slirp4netns/,
    );
    expect(refusal({ tun: 'EACCES' })).toThrow(/\/dev\/net\/tun.*EACCES.*chmod 666/);
    expect(refusal({ tun: 'ENOENT' })).toThrow(/load the kernel module tun/);
  });

  it('is what the probe of the host tells, with the reason against the other', () => {
    expect(probeUserNetwork(host)).toEqual({ name: "network 'user'", works: true, detail: 'pasta' });
    expect(probeUserNetwork({ ...host, pastaVersion: () => '' })).toEqual({
      name: "network 'user'",
      works: true,
      detail: 'slirp4netns; pasta is older than 2024 (it tells no version) and loses data',
    });
    expect(probeUserNetwork({ ...host, tun: 'EACCES' })).toMatchObject({
      works: false,
      remedy: expect.stringMatching(/chmod 666/),
    });
  });

  it('is told of ports and addresses, and to keep the host’s loopback apart', () => {
    const pasta = pastaArguments({ ...request, pid: 12 }, '/state/box').join(' ');
    expect(pasta).toContain('--no-map-gw');
    expect(pasta).toContain('-t 8080:80 -u 192.0.2.1/53:5353 -T none -U none');
    expect(pasta).toContain('-a 10.0.2.100 -n 24 -g 10.0.2.2 -a fd00:6761:6e74::100 -g fd00:6761:6e74::2');
    expect(pasta).toMatch(/--dns none .*--userns \/proc\/12\/ns\/user --netns \/run\/gantry\/netns\/box$/);
    expect(pastaArguments({ ...request, ports: [] }, '/x').join(' ')).toMatch(/-t none -u none .*--runas 0 --netns/);
    expect(pastaArguments({ ...request, families: { ipv4: true, ipv6: false } }, '/x').join(' ')).toContain(
      '--ipv4-only',
    );
    const slirp = slirpArguments(request).join(' ');
    expect(slirp).toContain(
      '--disable-host-loopback --enable-sandbox --enable-seccomp --disable-dns --api-socket=slirp.sock',
    );
    expect(slirp).toMatch(/--netns-type=path \/run\/gantry\/netns\/box eth0$/);
    expect(slirpArguments({ ...request, pid: 12, dnsServer: '127.0.0.53' }).join(' ')).toMatch(
      /^(?!.*disable-dns).* 12 eth0$/,
    );
  });

  it('is known by its arguments as that of one container', () => {
    const argumentsOf = (netNS: string) => [nameOf('pasta', netNS), ...pastaArguments({ ...request, netNS }, '/x')];
    expect(isStackOf(argumentsOf(request.netNS), request.netNS)).toBe(true);
    expect(isStackOf(argumentsOf(`${request.netNS}2`), request.netNS)).toBe(false);
    expect(isStackOf([nameOf('slirp4netns', request.netNS), '--configure'], request.netNS)).toBe(true);
    expect(isStackOf([nameOf('slirp4netns', `${request.netNS}2`)], request.netNS)).toBe(false);
    expect(isStackOf(['cat', '--netns', request.netNS], request.netNS)).toBe(false);
    expect(isStackOf([''], request.netNS)).toBe(false);
  });
});

describe('the addresses of a user network', () => {
  it('are of the versions of which the host has a default route', () => {
    const heading = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
    expect(hasDefaultRoute4(`${heading}eth0\t00000000\t0101000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`)).toBe(true);
    expect(hasDefaultRoute4(`${heading}eth0\t00000000\t0101000A\t0002\t0\t0\t0\t00000000\t0\t0\t0\n`)).toBe(false);
    expect(hasDefaultRoute4(`${heading}eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n`)).toBe(false);
    expect(hasDefaultRoute4('')).toBe(false);
    const zeros = '0'.repeat(32);
    const route = (length: string, device: string) =>
      `${zeros} ${length} ${zeros} 00 fe80000000000000000000000000000${1} 00000400 00000001 00000000 00000003 ${device}\n`;
    expect(hasDefaultRoute6(route('00', 'eth0'))).toBe(true);
    expect(hasDefaultRoute6(route('00', 'lo'))).toBe(false);
    expect(hasDefaultRoute6(route('40', 'eth0'))).toBe(false);
  });

  it('are told as a plugin would', () => {
    const conf = { ifName: 'eth0', netNS: '/n' };
    expect(resultOf(conf, { ipv4: true, ipv6: false }, true)).toMatchObject({
      interfaces: [{ name: 'eth0', sandbox: '/n', mtu: inside.mtu }],
      ips: [{ address: '10.0.2.100/24', gateway: '10.0.2.2', interface: 0 }],
      routes: [{ dst: '0.0.0.0/0', gw: '10.0.2.2' }],
      dns: { nameservers: ['10.0.2.3'] },
    });
    expect(resultOf(conf, both, false)).not.toHaveProperty('dns');
  });
});
