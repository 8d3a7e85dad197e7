import { describe, expect, it } from 'vitest';
import { compilePlan } from '../src/index.js';
import type { Step } from '../src/protocol.generated.js';
import { request } from './support/document.js';

const full = () =>
  compilePlan(
    request(
      (config) => {
        config.hostname = 'box';
        config.root.readonly = true;
        config.process.cwd = '/work';
        config.process.oomScoreAdj = 500;
        config.process.noNewPrivileges = true;
        config.process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 4096 }];
        config.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
        config.linux.maskedPaths = ['/proc/kcore'];
        config.linux.readonlyPaths = ['/proc/sys'];
        config.linux.devices = [{ type: 'c', path: '/dev/fuse', major: 10, minor: 229 }];
      },
      { cgroups: ['/sys/fs/cgroup/memory/box', '/sys/fs/cgroup/pids/box'] },
    ),
  );

const place = (steps: readonly Step[], op: Step['op']) => {
  const index = steps.findIndex((step) => step.op === op);
  expect(index, op).toBeGreaterThanOrEqual(0);
  return index;
};

describe('the order of a plan', () => {
  it('is what the kernel demands', () => {
    const ops = full().steps.map(({ op }) => op);
    expect(ops.filter((op, index) => op !== ops[index - 1])).toEqual([
      'setPropagation',
      'hostname',
      'loopbackUp',
      'sysctl',
      'joinCgroup',
      'oomScoreAdj',
      'rootOverlay',
      'mount',
      'device',
      'symlink',
      'makeFolder',
      'pivotRoot',
      'readonlyPath',
      'mask',
      'readonlyRoot',
      'chdir',
      'rlimit',
      'umask',
      'sessionKeyring',
      'capabilities',
      'user',
      'noNewPrivileges',
      'ready',
      'exec',
    ]);
  });

  it('keeps the mounts in document order', () => {
    const targets = full().steps.flatMap((step) => (step.op === 'mount' ? [step.target] : []));
    expect(targets).toEqual(['/proc', '/dev', '/dev/pts']);
  });

  it('leaves out the steps that nothing asks for', () => {
    const ops = new Set(compilePlan(request()).steps.map(({ op }) => op));
    for (const op of [
      'joinCgroup',
      'oomScoreAdj',
      'hostname',
      'sysctl',
      'mask',
      'readonlyRoot',
      'rlimit',
      'noNewPrivileges',
    ]) {
      expect(ops.has(op as Step['op']), op).toBe(false);
    }
    expect(ops.has('umask')).toBe(true);
  });

  it('takes the network of the host as it is', () => {
    const host = compilePlan(
      request((config) => {
        config.linux.namespaces = [{ type: 'mount' }];
      }),
    );
    expect(host).toMatchObject({ cloneFlags: 0, unshareFlags: 0x00020000 });
    expect(host.steps.some(({ op }) => op === 'loopbackUp')).toBe(false);
  });
});

describe('root, groups and identity', () => {
  it('mounts the root over the folder that the document names', () => {
    const { steps } = full();
    expect(steps[place(steps, 'rootOverlay')]).toEqual({
      op: 'rootOverlay',
      target: '/run/box/root',
      lower: ['/layers/1', '/layers/2'],
      upper: '/box/upper',
      work: '/box/work',
      userxattr: 0,
    });
    expect(steps[place(steps, 'pivotRoot')]).toEqual({ op: 'pivotRoot', path: '/run/box/root' });
    const bound = compilePlan(request(undefined, { rootfs: { type: 'directory', source: '/srv/root' } })).steps;
    expect(bound[place(bound, 'rootBind')]).toEqual({ op: 'rootBind', target: '/run/box/root', source: '/srv/root' });
  });

  it('makes a folder that is not to be written to read-only before anything is mounted in it', () => {
    const rootfs = { type: 'directory', source: '/srv/root', readonly: true } as const;
    const { steps } = compilePlan(request(undefined, { rootfs }));
    expect(steps[place(steps, 'rootBind') + 1]).toEqual({ op: 'readonlyRoot' });
  });

  it('says that an overlay belongs to a user namespace', () => {
    const rootfs = { type: 'overlay', lower: ['/l'], upper: '/u', work: '/w', userxattr: true } as const;
    const { steps } = compilePlan(request(undefined, { rootfs }));
    expect(steps[place(steps, 'rootOverlay')]).toMatchObject({ userxattr: 1 });
  });

  it('joins version 1 groups one by one, and is cloned into the one of version 2', () => {
    const cgroups = ['/sys/fs/cgroup/box'];
    const v1 = compilePlan(request(undefined, { cgroups }));
    expect(v1.cgroup).toBe('');
    expect(v1.steps[place(v1.steps, 'joinCgroup')]).toEqual({ op: 'joinCgroup', path: cgroups[0] });
    const v2 = compilePlan(request(undefined, { cgroups, cgroupVersion: 'v2' }));
    expect(v2.cgroup).toBe(cgroups[0]);
    expect(v2.steps.some(({ op }) => op === 'joinCgroup')).toBe(false);
    expect(() => compilePlan(request(undefined, { cgroups: ['/a', '/b'], cgroupVersion: 'v2' }))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  it('drops everything for a process without capabilities, and keeps all 41 apart', () => {
    const bare = compilePlan(
      request((config) => {
        delete config.process.capabilities;
      }),
    ).steps;
    expect(bare[place(bare, 'capabilities')]).toEqual({
      op: 'capabilities',
      bounding: 0,
      effective: 0,
      permitted: 0,
      inheritable: 0,
      ambient: 0,
    });
    const bounding = ['CAP_CHOWN', 'CAP_SETFCAP', 'CAP_MAC_OVERRIDE', 'CAP_CHECKPOINT_RESTORE', 'CAP_CHOWN'];
    const some = compilePlan(
      request((config) => {
        config.process.capabilities = { bounding, effective: [], permitted: [], inheritable: [], ambient: [] };
      }),
    ).steps;
    expect(some[place(some, 'capabilities')]).toMatchObject({ bounding: 1 + 2 ** 31 + 2 ** 32 + 2 ** 40 });
  });

  it('sets user, groups and umask', () => {
    const { steps } = compilePlan(
      request((config) => {
        config.process.user = { uid: 1000, gid: 100, umask: 0o077, additionalGids: [5, 4294967294] };
      }),
    );
    expect(steps[place(steps, 'user')]).toEqual({ op: 'user', uid: 1000, gid: 100, groups: ['5', '4294967294'] });
    expect(steps[place(steps, 'umask')]).toEqual({ op: 'umask', mask: 0o077 });
  });

  it('clamps the resource limits that the request says', () => {
    const { steps } = compilePlan(
      request(
        (config) => {
          config.process.rlimits = [
            { type: 'RLIMIT_NOFILE', soft: 1024, hard: 4096 },
            { type: 'RLIMIT_CORE', soft: 0, hard: Number('18446744073709551615') },
          ];
        },
        { clampedRlimits: ['RLIMIT_NOFILE'] },
      ),
    );
    expect(steps.filter(({ op }) => op === 'rlimit')).toEqual([
      { op: 'rlimit', resource: 7, soft: 1024, hard: 4096, clamp: 1 },
      { op: 'rlimit', resource: 4, soft: 0, hard: 2 ** 64, clamp: 0 },
    ]);
  });
});

describe('devices', () => {
  const paths = (steps: readonly Step[]) =>
    steps.flatMap((step) => (step.op === 'device' || step.op === 'symlink' ? [step.path] : []));

  it('adds the defaults that a fresh /dev lacks, after those asked for', () => {
    const { steps } = compilePlan(
      request((config) => {
        config.linux.devices = [
          { type: 'b', path: '/dev/sda', major: 8, minor: 0, fileMode: 0o660, gid: 6 },
          { type: 'c', path: '/dev/null', major: 1, minor: 3, fileMode: 0o644 },
        ];
      }),
    );
    expect(steps[place(steps, 'device')]).toEqual({
      op: 'device',
      host: '',
      path: '/dev/sda',
      type: 0o060000,
      major: 8,
      minor: 0,
      mode: 0o660,
      uid: 0,
      gid: 6,
    });
    expect(paths(steps)).toEqual([
      ...['/dev/sda', '/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom', '/dev/tty'],
      ...['/dev/fd', '/dev/stdin', '/dev/stdout', '/dev/stderr', '/dev/core', '/dev/ptmx'],
    ]);
  });

  it('leaves a /dev alone that is the host\u2019s or the image\u2019s', () => {
    const bound = compilePlan(
      request((config) => {
        config.mounts = [{ destination: '/dev', source: '/dev', options: ['rbind'] }];
      }),
    );
    const own = compilePlan(
      request((config) => {
        config.mounts = [];
      }),
    );
    expect([...paths(bound.steps), ...paths(own.steps)]).toEqual([]);
  });

  it('makes /dev/ptmx only where there are terminals', () => {
    const { steps } = compilePlan(
      request((config) => {
        config.mounts = config.mounts.filter(({ destination }) => destination !== '/dev/pts');
      }),
    );
    expect(paths(steps)).not.toContain('/dev/ptmx');
  });
});
