import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CNI, FileAttachments, parseNetworkConfigList } from '@gantry/cni';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { pluginChains } from './chains-of-plugins.js';
import {
  addressOf,
  bridged,
  deleteLinks,
  execIn,
  type NetworkHost,
  needs,
  plugins,
  portmap,
  startNetworkHost,
  waits,
} from './networks.js';

const python = '/usr/bin/python3';

requires({ ...needs, commands: [...needs.commands, python, 'unshare', `${plugins}/loopback`] })('a plugin', () => {
  let net: NetworkHost;
  let before: ReadonlySet<string>;
  beforeAll(async () => {
    before = pluginChains();
    net = await startNetworkHost({
      '10-walled.conflist': bridged('walled', 'gplug0', 101, { type: 'firewall' }),
      '20-sourced.conflist': bridged('sourced', 'gplug1', 102, { type: 'sbr' }),
      '30-mapped.conflist': bridged('mapped', 'gplug2', 103, portmap),
      '40-tagged.conflist': {
        cniVersion: '1.0.0',
        name: 'tagged',
        plugins: [
          {
            type: 'vlan',
            master: 'gplug0',
            vlanId: 7,
            ipam: { type: 'static', addresses: [{ address: '10.104.0.9/24' }] },
          },
        ],
      },
    });
  });
  afterAll(async () => {
    await net[Symbol.asyncDispose]();
    deleteLinks('gplug0', 'gplug1', 'gplug2');
    // What it makes once is gone with who made it.
    expect([...pluginChains()].filter((chain) => !before.has(chain))).toEqual([]);
  });

  const launch = (name: string, more: object = {}) =>
    net.host.containerizer.launch({ image: net.host.image, ...waits, networks: [{ name }], ...more });
  const end = async (id: string) => {
    await net.host.containerizer.destroy(id);
    await net.host.containerizer.remove(id);
  };

  it('firewall lets through what is for the container and from it, as long as that lives', async () => {
    const status = await launch('walled');
    const rules = () => execFileSync('iptables-save', ['-t', 'filter'], { encoding: 'utf8' });
    const address = addressOf(status);
    expect(rules()).toMatch(new RegExp(`-A CNI-FORWARD -d ${address}/32 .*-j ACCEPT`));
    expect(rules()).toContain(`-A CNI-FORWARD -s ${address}/32 -j ACCEPT`);
    await end(status.id);
    expect(rules()).not.toContain(address);
  });

  it('sbr has packets that come from an address of an interface leave by that', async () => {
    const { containerizer, image } = net.host;
    const { id, networks } = await containerizer.launch({
      image,
      ...waits,
      networks: [{ name: 'walled' }, { name: 'sourced' }],
    });
    const [address = ''] = networks?.[1]?.addresses[0]?.address.split('/') ?? [];
    const inside = (...args: string[]) => execFileSync('nsenter', args, { encoding: 'utf8' });
    const { pid } = await containerizer.status(id);
    const net_ = [`--net=/proc/${pid}/ns/net`, 'ip'];
    const [, table = ''] = new RegExp(`from ${address} lookup (\\d+)`).exec(inside(...net_, 'rule')) ?? [];
    expect(inside(...net_, 'route', 'show', 'table', table)).toContain('default via 10.102.0.1 dev eth1');
    expect(inside(...net_, 'route', 'get', '192.0.2.1', 'from', address)).toContain('dev eth1');
    await end(id);
  });

  it('portmap has a port of the host lead to the container by SCTP', async () => {
    const mounts = ['/usr', '/lib', '/lib64'].map((path) => ({
      type: 'bind',
      source: path,
      target: path,
      readonly: true,
    }));
    // A kernel without sockets of SCTP still translates its packets: they are looked at as what they are.
    const listens = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132); print("ready")
while True:
  packet = s.recv(2000); length = (packet[0] & 15) * 4
  print("came to", struct.unpack("!H", packet[length + 2:length + 4])[0])`;
    const status = await launch('mapped', {
      command: [python, '-uc', listens],
      mounts,
      ports: [{ containerPort: 3868, hostPort: 33_868, protocol: 'sctp' }],
    });
    expect(status.ports).toEqual([{ hostPort: 33_868, containerPort: 3868, protocol: 'sctp' }]);
    await outputMatching(net.host.containerizer, status.id, /ready/);
    // Again and again: nobody else does, if one is lost.
    const sender = spawn(python, ['-c', sendsInits('10.103.0.1', 33_868)], { stdio: 'inherit' });
    await outputMatching(net.host.containerizer, status.id, /came to 3868/);
    sender.kill('SIGKILL');
    await once(sender, 'exit');
    await end(status.id);
    const rules = execFileSync('iptables-save', ['-t', 'nat'], { encoding: 'utf8' });
    expect(rules).not.toContain('33868');
  });

  it('loopback, behind others, has the interface up and passes their result on', async () => {
    const folder = await temporaryFolder();
    const target = spawnSync('unshare', ['--net', 'sh', '-c', 'sleep 300 >/dev/null 2>&1 & echo $!'], {
      encoding: 'utf8',
    });
    const pid = Number(target.stdout);
    const ip = (...args: string[]) =>
      execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'ip', ...args], { encoding: 'utf8' });
    try {
      expect(ip('link', 'show', 'lo')).not.toContain('LOWER_UP');
      const text = JSON.stringify(bridged('looped', 'gplug2', 103, { type: 'loopback' })).replaceAll(
        '%leases%',
        join(folder.path, 'leases'),
      );
      const list = parseNetworkConfigList(text);
      const cni = new CNI({ pluginFolders: [plugins], attachments: new FileAttachments(join(folder.path, 'records')) });
      const conf = { containerID: 'looped', netNS: `/proc/${pid}/ns/net`, ifName: 'eth0' };
      const result = await cni.addNetworkList(list, conf);
      expect(result.ips?.[0]?.address).toBe('10.103.0.2/16');
      expect(ip('-o', 'addr', 'show', 'dev', 'lo')).toContain('127.0.0.1/8');
      expect(ip('link', 'show', 'lo')).toContain('LOWER_UP');
      await cni.checkNetworkList(list, conf);
      await cni.delNetworkList(list, conf);
      expect(ip('link', 'show', 'lo')).not.toContain('LOWER_UP');
    } finally {
      process.kill(pid, 'SIGKILL');
      await folder[Symbol.asyncDispose]();
    }
  });

  requires({ reasons: whyNoVlans() })('vlan', () => {
    it('gives the container an interface of a tagged network', async () => {
      // Its master is there as long as a container is on the bridge.
      const master = await launch('walled');
      const status = await launch('tagged');
      expect(status.networks).toMatchObject([{ name: 'tagged', addresses: [{ address: '10.104.0.9/24' }] }]);
      expect(await execIn(net, status.id, 'cat /proc/net/vlan/config 2>/dev/null; ip -o addr show eth0')).toContain(
        '10.104.0.9/24',
      );
      const details = execFileSync(
        'nsenter',
        [`--net=/proc/${status.pid}/ns/net`, 'ip', '-d', 'link', 'show', 'eth0'],
        { encoding: 'utf8' },
      );
      expect(details).toMatch(/vlan protocol 802\.1Q id 7 /);
      for (const { id } of [status, master]) await end(id);
      expect(readdirSync('/sys/class/net').filter((name) => name.startsWith('gplug0.'))).toEqual([]);
    });
  });
});

/** Why this kernel makes no interfaces of tagged networks. */
function whyNoVlans(): string[] {
  if (process.getuid?.() !== 0) return [];
  const ip = (...args: string[]) => spawnSync('ip', ['link', ...args], { encoding: 'utf8' });
  // As the test's master is; loopback takes none on any kernel.
  if (ip('add', 'gvlan0', 'type', 'bridge').status !== 0) return [];
  const { status, stderr } = ip('add', 'link', 'gvlan0', 'name', 'gvlan0.7', 'type', 'vlan', 'id', '7');
  ip('delete', 'gvlan0');
  return status !== 0 && /Unknown device type|not supported/i.test(stderr)
    ? [`needs a kernel with 8021q: ${stderr.trim()}`]
    : [];
}

/** Python that sends first packets of SCTP associations (RFC 9260, section 3.3.2). */
function sendsInits(address: string, port: number): string {
  return `
import socket, struct, time
def crc32c(data):
  crc = 0xffffffff
  for byte in data:
    crc ^= byte
    for _ in range(8): crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
  return crc ^ 0xffffffff
init = struct.pack("!BBHIIHHI", 1, 0, 20, 0x1234, 65536, 1, 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
for port in range(40000, 41000):
  packet = struct.pack("!HHII", port, ${port}, 0, 0) + init
  s.sendto(packet[:8] + struct.pack("<I", crc32c(packet)) + packet[12:], ("${address}", 0)); time.sleep(0.1)`;
}
