import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciSpec } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { document } from './support/document.js';
import { Host, skipReason } from './support/host.js';

const reason = skipReason || (spawnSync('crun', ['--version']).status === 0 ? '' : 'needs crun');

/** In a mount namespace without a cgroup v2 tree beside the v1 controllers, which crun would take for a v2 host. */
const crunScript =
  'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --root "$0" --cgroup-manager=disabled run --bundle "$1" "$2"';

describe.skipIf(reason !== '')(`the same document run by crun${reason && ` (skipped: ${reason})`}`, () => {
  let host: Host;
  beforeAll(() => {
    host = new Host();
  });
  afterAll(() => host.dispose());

  const crun = (args: string[], edit: (config: OciSpec) => unknown) => {
    const config = document();
    config.root.path = host.rootfs;
    config.process.args = args;
    edit(config);
    // Debian 12's crun knows no later version; nothing in these documents differs.
    config.ociVersion = '1.0.2';
    const bundle = join(host.folder, 'bundle');
    mkdirSync(bundle, { recursive: true });
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
    const result = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', crunScript, join(host.folder, 'crun'), bundle, `oracle-${process.pid}`],
      {
        encoding: 'utf8',
      },
    );
    expect(result.stderr).toBe('');
    return result.stdout;
  };

  const sets = ['CAP_CHOWN', 'CAP_NET_BIND_SERVICE', 'CAP_AUDIT_READ'];
  const documents: readonly [name: string, edit: (config: OciSpec) => unknown][] = [
    [
      'root with some capabilities',
      (config) => {
        config.process.capabilities = {
          bounding: sets,
          effective: sets,
          permitted: sets,
          inheritable: [],
          ambient: [],
        };
      },
    ],
    [
      'a user with ambient capabilities and no new privileges',
      (config) => {
        const few = sets.slice(0, 1);
        config.process.user = { uid: 1000, gid: 100, additionalGids: [7, 8] };
        config.process.capabilities = {
          bounding: sets,
          effective: few,
          permitted: sets,
          inheritable: few,
          ambient: few,
        };
        config.process.noNewPrivileges = true;
        config.process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 64, hard: 128 }];
      },
    ],
    [
      'a read-only root with masks and binds',
      (config) => {
        config.root.readonly = true;
        config.mounts.push(
          {
            destination: '/data',
            type: 'bind',
            source: join(host.rootfs, 'bin'),
            options: ['rbind', 'ro', 'nosuid', 'rprivate'],
          },
          {
            destination: '/tmp',
            type: 'tmpfs',
            source: 'tmpfs',
            options: ['nosuid', 'nodev', 'noatime', 'size=64k', 'mode=1777'],
          },
        );
        config.linux.maskedPaths = ['/proc/cpuinfo', '/proc/tty', '/proc/not-there'];
        config.linux.readonlyPaths = ['/proc/sys', '/proc/irq'];
        config.linux.sysctl = { 'net.ipv4.ip_unprivileged_port_start': '80' };
      },
    ],
  ];

  const script = [
    'grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:|SigBlk|SigIgn|SigCgt)" /proc/1/status',
    'grep files /proc/1/limits',
    'cat /proc/sys/net/ipv4/ip_unprivileged_port_start',
    'ls -l /dev | sed "s/ [A-Z][a-z]* .*:[0-9][0-9] / /"',
    'umask; pwd; env | sort; ls /proc/tty; head -n 1 /proc/cpuinfo',
  ].join('; ');

  /** crun adds a HOME where there is none. */
  const withHome = (edit: (config: OciSpec) => unknown) => (config: OciSpec) => {
    edit(config);
    config.process.env.push('HOME=/tmp');
  };

  it.each(documents)('shows the program the same: %s', async (_name, edit) => {
    const args = ['sh', '-c', script];
    const { stdout } = await host.run(args, withHome(edit));
    expect(stdout.length).toBeGreaterThan(500);
    expect(sameDevices(stdout)).toEqual(sameDevices(crun(args, withHome(edit))));
  });

  it.each(documents)('mounts the same, but for what is stricter: %s', async (_name, edit) => {
    const args = ['cat', '/proc/self/mounts'];
    const { stdout } = await host.run(args, edit);
    const [ours, theirs] = [mountTable(stdout), mountTable(crun(args, edit))];
    expect(ours.filter((mount) => !isMask(mount))).toEqual(theirs.filter((mount) => !isMask(mount)).map(hardened));
    expect(ours.filter(isMask).length).toBe(theirs.filter(isMask).length);
  });
});

/** crun leaves out /dev/core, and gives `console` its own entry only with a terminal. */
function sameDevices(output: string): string[] {
  return output.split('\n').filter((line) => !/ core -> | total /.test(line));
}

/** Target, type and flags of each mount, without the options of the file system itself. */
function mountTable(output: string): Mount[] {
  const flags = /^(ro|rw|nosuid|nodev|noexec|noatime|relatime)$/;
  return output
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, target = '', type = '', options = '']): Mount => {
      return {
        target,
        type,
        flags: options
          .split(',')
          .filter((option) => flags.test(option))
          .sort(),
      };
    })
    .sort((a, b) => (a.target < b.target ? -1 : 1));
}

interface Mount {
  readonly target: string;
  readonly type: string;
  readonly flags: readonly string[];
}

/** What Gantry has over this crun: no devices on the root, and a read-only path keeps the flags of what it lies on. */
function hardened(mount: Mount): Mount {
  const extra =
    mount.target === '/' ? ['nodev'] : /^\/proc\/(sys|irq)$/.test(mount.target) ? ['nodev', 'noexec', 'nosuid'] : [];
  return { ...mount, flags: [...mount.flags, ...extra].sort() };
}

/** Masks are compared by what can be read through them: what lies there is each runtime's own affair. */
function isMask({ target }: Mount): boolean {
  return target === '/proc/cpuinfo' || target === '/proc/tty';
}
