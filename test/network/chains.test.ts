import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CNI, FileAttachments } from '@gantry/cni';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import {
  addressOf,
  bridged,
  deleteLinks,
  execIn,
  type NetworkHost,
  needs,
  networkState,
  plugins,
  portmap,
  sh,
  startNetworkHost,
  waits,
} from './networks.js';

requires({ ...needs, commands: [...needs.commands, 'nsenter', 'tc'] })('a network of several plugins', () => {
  let net: NetworkHost;
  beforeAll(async () => {
    const tuning = { type: 'tuning', capabilities: { mac: true }, sysctl: { 'net.core.somaxconn': '321' }, mtu: 1400 };
    const bandwidth = { type: 'bandwidth', capabilities: { bandwidth: true } };
    net = await startNetworkHost({
      '10-chain.conflist': bridged(
        'chain',
        'gchain0',
        81,
        tuning,
        bandwidth,
        portmap,
        { type: 'firewall' },
        { type: 'sbr' },
      ),
      '12-wide.conflist': bridged('wide', 'gchain2', 86, bandwidth),
      '15-checked.conflist': bridged('checked', 'gchain3', 85, portmap, { type: 'firewall' }),
      '20-point.conflist': {
        cniVersion: '0.4.0',
        name: 'point',
        plugins: [
          {
            type: 'ptp',
            ipMasq: true,
            ipam: { type: 'host-local', dataDir: '%leases%', subnet: '10.82.0.0/24', routes: [{ dst: '0.0.0.0/0' }] },
            dns: { nameservers: ['10.82.0.1'], search: ['point.example'] },
          },
        ],
      },
      '30-lan.conflist': {
        cniVersion: '0.3.1',
        name: 'lan',
        plugins: [
          {
            type: 'macvlan',
            master: 'gchain0',
            mode: 'bridge',
            ipam: { type: 'static', addresses: [{ address: '10.83.0.9/24' }] },
          },
        ],
      },
      '40-old.conf': {
        cniVersion: '0.2.0',
        name: 'old',
        type: 'bridge',
        bridge: 'gchain1',
        isGateway: true,
        ipam: { type: 'host-local', dataDir: '%leases%', subnet: '10.84.0.0/24' },
      },
    });
  });
  afterAll(async () => {
    await net[Symbol.asyncDispose]();
    deleteLinks('gchain0', 'gchain1', 'gchain2', 'gchain3');
  });

  it('has each do its part', async () => {
    const { containerizer, image } = net.host;
    const { id, networks } = await containerizer.launch({
      image,
      ...waits,
      networks: [
        { name: 'chain', mac: 'c2:11:22:33:44:66', bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000 } },
      ],
      ports: [{ containerPort: 80 }],
    });
    expect(networks?.[0]?.mac).toBe('c2:11:22:33:44:66');
    expect(
      await execIn(net, id, 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu /proc/sys/net/core/somaxconn'),
    ).toBe('c2:11:22:33:44:66\n1400\n321\n');
    expect(execFileSync('tc', ['qdisc'], { encoding: 'utf8' })).toMatch(/tbf .* rate 8Mbit/);
    await containerizer.destroy(id);
  });

  it('is as wide as was asked, and no wider', async () => {
    const { containerizer, image } = net.host;
    const megabits = async (bandwidth?: object) => {
      const { id } = await containerizer.launch({
        image,
        ...sh('dd if=/dev/zero of=/tmp/zeros bs=64k count=48 2>/dev/null; exec httpd -f -p 80 -h /tmp'),
        networks: [{ name: 'wide', ...(bandwidth ? { bandwidth } : {}) }],
      });
      const peer = await containerizer.launch({ image, ...waits, networks: [{ name: 'wide' }] });
      const from = addressOf(await containerizer.status(id));
      await execIn(net, peer.id, `until nc ${from} 80 </dev/null; do :; done`);
      const begun = performance.now();
      const size = await execIn(net, peer.id, `wget -q -O - http://${from}/zeros | wc -c`);
      const seconds = (performance.now() - begun) / 1000;
      expect(Number(size)).toBe(48 * 65536);
      for (const one of [peer.id, id]) await containerizer.destroy(one);
      return (48 * 65536 * 8) / seconds / 1e6;
    };
    // What the machine could do bounds what can be told apart. 25 Mbit, of which 0.8 pass at once.
    const free = await megabits();
    const rate = Math.min(16, free / 4);
    const limited = await megabits({ egressRate: Math.round(rate * 1e6), egressBurst: 800_000 });
    expect(limited).toBeLessThan(rate * 1.1);
    expect(limited).toBeGreaterThan(rate / 4);
  });

  it('can be of an older version of the specification, and tell servers of names', async () => {
    const { containerizer, image } = net.host;
    const { id, networks } = await containerizer.launch({
      image,
      ...waits,
      networks: [{ name: 'point' }, { name: 'old' }, { name: 'lan' }],
    });
    expect(networks).toMatchObject([
      {
        name: 'point',
        addresses: [{ address: '10.82.0.2/24', gateway: '10.82.0.1' }],
        dns: { servers: ['10.82.0.1'], search: ['point.example'] },
      },
      { name: 'old', interface: 'eth1', addresses: [{ address: '10.84.0.2/24', gateway: '10.84.0.1' }] },
      { name: 'lan', interface: 'eth2', addresses: [{ address: '10.83.0.9/24' }] },
    ]);
    expect(await execIn(net, id, 'cat /etc/resolv.conf')).toBe('nameserver 10.82.0.1\nsearch point.example\n');
    expect(await execIn(net, id, 'ip -o addr show eth2')).toContain('10.83.0.9/24');
    expect(
      await execIn(net, id, 'ping -c 1 -W 5 10.82.0.1 >/dev/null && ping -c 1 -W 5 10.84.0.1 >/dev/null && echo both'),
    ).toBe('both\n');
    await containerizer.destroy(id);
  });

  it('shares its names and addresses with nested containers and pods', async () => {
    const { containerizer, image } = net.host;
    const { id, containers } = await containerizer.launchPod({
      hostname: 'pod',
      networks: [{ name: 'chain' }],
      extraHosts: [{ address: '192.0.2.1', names: ['elsewhere'] }],
      containers: [
        { image, ...waits },
        { image, ...waits },
      ],
    });
    const status = await containerizer.status(id);
    const address = addressOf(status);
    for (const container of containers) {
      expect(await execIn(net, container, 'ip -o -4 addr show eth0')).toContain(` ${address}/16`);
      expect(await execIn(net, container, 'cat /etc/hosts')).toContain(`${address}\tpod\nfd00:81::`);
      expect(await execIn(net, container, 'cat /etc/hosts')).toContain('192.0.2.1\telsewhere\n');
      expect((await containerizer.status(container)).networks).toBeUndefined();
    }
    const nested = await containerizer.launch({ image, ...waits, parent: containers[0] ?? '' });
    expect(await execIn(net, nested.id, 'ip -o -4 addr show eth0')).toContain(` ${address}/16`);
    expect(await execIn(net, nested.id, 'cat /etc/hostname')).toBe('pod\n');
    await expect(
      containerizer.launch({ image, ...waits, parent: id, networks: [{ name: 'chain' }] }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const own = await containerizer.launch({
      image,
      ...waits,
      parent: id,
      share: ['ipc'],
      networks: [{ name: 'chain' }],
    });
    expect(addressOf(own)).not.toBe(address);
    await containerizer.destroy(id);
  });

  it('is found broken by CHECK, and whole before', async () => {
    const { containerizer, image, root } = net.host;
    const { id, pid } = await containerizer.launch({
      image,
      ...waits,
      networks: [{ name: 'checked' }],
    });
    const attachments = new FileAttachments(join(root, 'networks', place(root)));
    const cni = new CNI({ pluginFolders: [plugins], attachments });
    const [attachment] = await cni.getCachedAttachments(id);
    if (!attachment) throw new Error('the attachment is not remembered');
    await cni.checkNetworkList(attachment.list, attachment.conf);
    execFileSync('nsenter', ['-t', `${pid}`, '-n', 'ip', 'addr', 'flush', 'dev', 'eth0']);
    await expect(cni.checkNetworkList(attachment.list, attachment.conf)).rejects.toMatchObject({
      code: 'PLUGIN_ERROR',
      details: { plugin: 'bridge', command: 'CHECK' },
    });
    await containerizer.destroy(id);
  });

  it('does not listen to router advertisements, in the container or on the bridge', async () => {
    const { containerizer, image } = net.host;
    const { id } = await containerizer.launch({ image, ...waits, networks: [{ name: 'chain' }] });
    expect(await execIn(net, id, 'cat /proc/sys/net/ipv6/conf/eth0/accept_ra')).toBe('0\n');
    expect(readFileSync('/proc/sys/net/ipv6/conf/gchain0/accept_ra', 'utf8')).toBe('0\n');
    await containerizer.destroy(id);
  });

  it('leaves nothing of a container whose network is asked for what it does not do', async () => {
    const { containerizer, image } = net.host;
    const before = networkState(net);
    const asks = { image, ...waits, networks: [{ name: 'old' }, { name: 'chain', ips: ['10.81.0.1'] }] };
    await expect(containerizer.launch(asks)).rejects.toMatchObject({ code: 'PLUGIN_ERROR' });
    expect(networkState(net)).toEqual(before);
  });
});

/** The one state root of a test's root. */
function place(root: string): string {
  const [name = ''] = execFileSync('ls', [join(root, 'networks')], { encoding: 'utf8' })
    .trim()
    .split('\n');
  return name;
}
