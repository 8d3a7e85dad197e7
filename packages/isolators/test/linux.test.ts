import { spawnSync } from 'node:child_process';
import { capabilityNames } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { boundingSet, linuxCapabilities } from '../src/linux/capabilities.js';
import { defaultCapabilities } from '../src/linux/default-capabilities.js';
import { linuxDevices } from '../src/linux/devices.js';
import { checkOomScoreAdj } from '../src/linux/oom.js';
import { ownCapabilities, parseCapabilities, parseLimits } from '../src/linux/own-process.js';
import { linuxSysctl, sysctlsOf } from '../src/linux/sysctl.js';
import { rootUsers } from '../src/namespaces/users.js';
import { rlimitEdits } from '../src/posix/rlimits.js';
import { contextOf } from './context.js';

const refused = expect.objectContaining({ code: 'REFUSED' });
const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
const all = new Set(capabilityNames);

describe('linux/capabilities', () => {
  it('starts from fourteen, without the one that makes device nodes where nobody guards them', () => {
    expect(boundingSet({}, all, true)).toEqual([...defaultCapabilities].sort());
    expect(defaultCapabilities).toHaveLength(14);
    expect(boundingSet({}, all)).toEqual(boundingSet({ drop: ['MKNOD'] }, all, true));
    expect(boundingSet({ add: ['MKNOD'] }, all)).toContain('CAP_MKNOD');
  });

  it('adds and drops, with or without the prefix, in any case', () => {
    const set = boundingSet({ add: ['sys_time', 'CAP_SYSLOG'], drop: ['Cap_Chown'] }, all);
    expect(set).toContain('CAP_SYS_TIME');
    expect(set).toContain('CAP_SYSLOG');
    expect(set).not.toContain('CAP_CHOWN');
    expect(boundingSet({ drop: ['ALL'], add: ['KILL'] }, all)).toEqual(['CAP_KILL']);
    expect(boundingSet({ drop: ['all'] }, all)).toEqual([]);
  });

  it.each([[{ add: ['SYS_GOD'] }], [{ drop: ['SYS_GOD'] }], [{ add: ['ALL'] }]])('refuses %j', (change) => {
    expect(() => boundingSet(change, all)).toThrow(refused);
  });

  it('refuses to add what the host program lacks, and leaves such a default out', () => {
    const held = new Set(['CAP_CHOWN', 'CAP_KILL']);
    expect(boundingSet({}, held)).toEqual(['CAP_CHOWN', 'CAP_KILL']);
    expect(() => boundingSet({ add: ['NET_ADMIN'] }, held)).toThrow(refused);
    expect(() => boundingSet({ add: ['KILL'], drop: ['KILL'] }, held)).toThrow(invalid);
  });

  it.skipIf(process.getuid?.() !== 0)('gives a user other than root the bounding set alone (needs root)', async () => {
    const isolator = linuxCapabilities();
    const { capabilities: root } = await isolator.edits(contextOf({}));
    const { capabilities: user } = await isolator.edits(contextOf({ user: '1000' }));
    expect(root?.effective).toEqual(root?.bounding);
    expect(root?.effective.length).toBeGreaterThan(0);
    expect(user).toEqual({ ...root, effective: [], permitted: [] });
    expect(root).toMatchObject({ inheritable: [], ambient: [] });
  });

  it('reads the masks that the kernel shows', () => {
    const status = 'Name:\tx\nCapPrm:\t00000000000000a1\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000021\n';
    expect([...parseCapabilities(status)]).toEqual(['CAP_CHOWN', 'CAP_KILL']);
  });

  it.skipIf(process.getuid?.() !== 0)('agrees with the kernel about what root holds (needs root)', () => {
    expect(ownCapabilities().has('CAP_CHOWN')).toBe(true);
    // Without it, the kernel lets nobody lower the score.
    const { status } = spawnSync('sh', ['-c', 'echo -5 > /proc/self/oom_score_adj'], { stdio: 'ignore' });
    expect(status === 0).toBe(ownCapabilities().has('CAP_SYS_RESOURCE'));
  });
});

describe('linux/devices', () => {
  const control = { missing: () => undefined, restrict: () => undefined };
  const edits = (missing?: string) => {
    const devices = [{ path: '/dev/null' }, { cdi: 'vendor.com/class=a' }];
    return linuxDevices({ control: { ...control, missing: () => missing } }).edits(contextOf({ devices }));
  };

  it('gives the nodes that are asked for by path, with leave to use them', async () => {
    const { devices, resources } = await edits();
    expect(devices?.map(({ path, major, minor }) => [path, major, minor])).toEqual([['/dev/null', 1, 3]]);
    expect(resources?.devices).toEqual([{ allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' }]);
  });

  it.each(['/dev/pts/0', '/dev/shm', '/dev/mqueue/x', '/mnt/null', '/dev', '/dev/../mnt/null'])(
    'gives none at %s, where no device could be used',
    async (containerPath) => {
      const asked = linuxDevices({ control }).edits(contextOf({ devices: [{ path: '/dev/null', containerPath }] }));
      await expect(asked).rejects.toMatchObject({
        code: containerPath.includes('..') ? 'INVALID_ARGUMENT' : 'REFUSED',
      });
    },
  );

  it('gives the host’s own node in a user namespace, at its own place alone', async () => {
    const range = [{ inside: 0, outside: 100_000, size: 65_536 }];
    const users = rootUsers({ uids: range, gids: range });
    const asked = (containerPath: string) =>
      linuxDevices({ control, users }).edits(
        contextOf({ userNamespace: 'private', devices: [{ path: '/dev/null', containerPath }] }),
      );
    expect((await asked('/dev/null')).devices).toMatchObject([{ path: '/dev/null' }]);
    await expect(asked('/dev/nothing')).rejects.toEqual(refused);
  });

  it('gives no rules where there is nobody to hold a container to them', async () => {
    const given = await edits('mount the controller');
    expect(given.devices).toHaveLength(1);
    expect(given).not.toHaveProperty('resources');
  });
});

describe('linux/oom', () => {
  it('takes what the host program may set', () => {
    expect(() => checkOomScoreAdj(100, 0, false)).not.toThrow();
    expect(() => checkOomScoreAdj(-1000, 0, true)).not.toThrow();
  });

  it('refuses to go below the host program without the capability, and values out of range', () => {
    expect(() => checkOomScoreAdj(-1, 0, false)).toThrow(refused);
    expect(() => checkOomScoreAdj(1001, 0, true)).toThrow(invalid);
    expect(() => checkOomScoreAdj(0.5, 0, true)).toThrow(invalid);
  });
});

describe('posix/rlimits', () => {
  const own = parseLimits(`Limit                     Soft Limit           Hard Limit           Units
Max core file size        0                    unlimited            bytes
Max open files            1024                 4096                 files
Max nice priority         0                    0
`);
  const host = { own, mayRaise: false, maxOpenFiles: 1_048_576 };

  it('reads soft and hard limits, also on lines without a unit', () => {
    expect(own.get('Max open files')).toEqual({ soft: 1024, hard: 4096 });
    expect(own.get('Max core file size')).toEqual({ soft: 0, hard: Number.POSITIVE_INFINITY });
    expect(own.get('Max nice priority')).toEqual({ soft: 0, hard: 0 });
  });

  it('adds a default for open files unless the spec has one', () => {
    const core = { type: 'core', soft: 0, hard: 0 };
    expect(rlimitEdits([core], host)).toEqual([
      { type: 'RLIMIT_CORE', soft: 0, hard: 0, origin: 'request' },
      { type: 'RLIMIT_NOFILE', soft: 1024, hard: 524_288, origin: 'default' },
    ]);
    expect(rlimitEdits([{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }], host)).toEqual([
      { type: 'RLIMIT_NOFILE', soft: 10, hard: 20, origin: 'request' },
    ]);
  });

  it('refuses a hard limit that only a capability could raise, and one above what the kernel takes', () => {
    const raised = { type: 'NOFILE', soft: 1, hard: 5000 };
    expect(() => rlimitEdits([raised], host)).toThrow(refused);
    expect(rlimitEdits([raised], { ...host, mayRaise: true })).toHaveLength(1);
    expect(() => rlimitEdits([{ ...raised, hard: 2 ** 21 }], { ...host, mayRaise: true })).toThrow(refused);
  });

  it.each([
    [{ type: 'FILES', soft: 1, hard: 1 }],
    [{ type: 'CORE', soft: 2, hard: 1 }],
    [{ type: 'CORE', soft: -1, hard: 1 }],
    [{ type: 'CORE', soft: 0.5, hard: 1 }],
  ])('finds %j invalid', (request) => {
    expect(() => rlimitEdits([request], host)).toThrow(invalid);
  });

  it('takes Infinity, and no type twice', () => {
    const forever = { type: 'CORE', soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };
    expect(rlimitEdits([forever], host)[0]).toMatchObject({ soft: 2 ** 64, hard: 2 ** 64 });
    expect(() => rlimitEdits([forever, { ...forever, type: 'RLIMIT_CORE' }], host)).toThrow(invalid);
  });
});

describe('linux/sysctl', () => {
  it('opens low ports and ping in a network of its own, and sets nothing on the host network', async () => {
    expect(sysctlsOf(contextOf({}))).toEqual({
      'net.ipv4.ip_unprivileged_port_start': '0',
      'net.ipv4.ping_group_range': '0 2147483647',
    });
    expect(await linuxSysctl().edits(contextOf({ network: 'host' }))).toEqual({ sysctl: {} });
    const gids = [
      { inside: 1, outside: 100_000, size: 65_536 },
      { inside: 0, outside: 1000, size: 1 },
      { inside: 70_000, outside: 200_000, size: 9 },
    ];
    expect(sysctlsOf(contextOf({}), gids)['net.ipv4.ping_group_range']).toBe('0 65536');
  });

  it('lets the spec win and takes what is of a namespace of its own', () => {
    const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '80', 'kernel.shm_rmid_forced': '1' };
    expect(sysctlsOf(contextOf({ sysctls }))).toMatchObject(sysctls);
    expect(sysctlsOf(contextOf({ network: 'host', sysctls: { 'kernel.sem': '1 2 3 4' } }))).toEqual({
      'kernel.sem': '1 2 3 4',
    });
  });

  it.each(['kernel.core_pattern', 'vm.overcommit_memory', 'net.ipv4.tcp_mem', '../x', 'kernel/sem', '__proto__'])(
    'refuses %s',
    (key) => {
      expect(() => sysctlsOf(contextOf({ sysctls: { [key]: '1' } }))).toThrow(refused);
    },
  );

  it('refuses a network parameter on the host network, and values that would be two writes', () => {
    expect(() => sysctlsOf(contextOf({ network: 'host', sysctls: { 'net.core.somaxconn': '1' } }))).toThrow(refused);
    for (const value of ['1\nkernel.core_pattern=|/x', '1\0', '', '1'.repeat(4096)]) {
      expect(() => sysctlsOf(contextOf({ sysctls: { 'kernel.sem': value } }))).toThrow(invalid);
    }
  });
});
