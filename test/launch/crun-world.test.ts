import { chmodSync, copyFileSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerSpec } from '@gantry/interface';
import type { CdiSpec } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildProgram, outcomes } from '../security/attempts.js';
import { idmappableFolder } from '../support/idmappable-folder.js';
import { requires } from '../support/requires.js';
import type { TemporaryFolder } from '../support/temporary-folder.js';
import { runByCrun } from './crun.js';
import { startHost, type TestHost } from './host.js';

const namespaces = ['mnt', 'pid', 'ipc', 'uts', 'net', 'cgroup', 'user'];

/** Each point of the world by the command that shows it. */
const points: Readonly<Record<string, string>> = {
  ids: 'grep -E "^(Uid|Gid|Groups):" /proc/self/status; cat /proc/self/uid_map /proc/self/gid_map',
  capabilities: 'grep -E "^(Cap|NoNewPrivs)" /proc/self/status',
  'seccomp mode and number of filters': 'grep -E "^Seccomp(_filters)?:" /proc/self/status',
  'signals blocked and ignored': 'grep -E "^Sig(Blk|Ign)" /proc/1/status',
  limits: 'cat /proc/self/limits',
  'umask and folder': 'umask; pwd',
  environment: 'env | sort',
  'host name': 'hostname',
  'oom score': 'cat /proc/self/oom_score_adj',
  sysctls:
    'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/shmmni',
  devices:
    'for f in /dev/*; do test ! -L $f && test -c $f && ls -l $f | cut -c1-10 && stat -c "%n %u:%g %t:%T" $f; done; true',
  'links in /dev': 'for f in fd stdin stdout stderr ptmx; do readlink /dev/$f; done',
  descriptors: 'ls /proc/self/fd | wc -l',
  'network interfaces': 'ls /sys/class/net',
  processes: 'cat /proc/1/comm',
  'what hooks have made': 'cat /etc/hooked /etc/started 2>/dev/null; rm -f /etc/hooked /etc/started',
  'what is bound': 'cat /data/lib.so 2>/dev/null; true',
  'session keyring of its own': 'grep -c . /proc/keys; true',
};

requires({ root: true, commands: ['crun', 'gcc', 'busybox'], packages: ['crun', 'gcc', 'busybox-static'] })(
  'what plan() gives, run by crun',
  () => {
    let host: TestHost;
    let place: TemporaryFolder;
    let folder: string;
    let rootfs: string;
    beforeAll(async () => {
      place = await idmappableFolder();
      folder = place.path;
      // The root of a user namespace has no right to what is root's alone.
      chmodSync(folder, 0o711);
      host = await startHost({ cdi: { folders: [], specs: [vendorSpec(folder)] } });
      rootfs = join(folder, 'rootfs');
      for (const name of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc', 'data'])
        mkdirSync(join(rootfs, name), { recursive: true });
      copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
      const programs = 'sh cat grep ls env sort hostname readlink stat wc cut test head id umask true rm';
      for (const name of programs.split(' ')) symlinkSync('busybox', join(rootfs, 'bin', name));
      buildProgram('attempts', join(rootfs, 'bin'));
    });
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    });

    const ours = async (spec: Partial<ContainerSpec>) => {
      const result = await host.run({ image: undefined, rootfs, env: { PATH: '/bin' }, ...spec });
      expect(result.stderr).toBe('');
      return result.stdout;
    };

    const theirs = async (spec: Partial<ContainerSpec>) => {
      const { config } = await host.containerizer.plan({ rootfs, env: { PATH: '/bin' }, ...spec });
      const result = runByCrun(config, rootfs, folder);
      expect(result.stderr).toBe('');
      return result.stdout;
    };

    // A default that is lowered to what the host allows is, in a document, a limit that crun may not raise.
    const files = [{ type: 'NOFILE', soft: 256, hard: 512 }];
    const worlds: readonly [name: string, spec: Partial<ContainerSpec>][] = [
      ['a plain container', { hostname: 'box', rlimits: files }],
      [
        'a user with limits, sysctls and another umask of privileges',
        {
          hostname: 'box',
          user: '1000:1001',
          workingDir: '/tmp',
          rlimits: [
            { type: 'NOFILE', soft: 64, hard: 128 },
            { type: 'CORE', soft: 0, hard: 0 },
          ],
          sysctls: { 'kernel.shmmni': '77' },
          capabilities: { add: ['SYS_PTRACE'], drop: ['NET_RAW', 'MKNOD'] },
          oomScoreAdj: 500,
        },
      ],
      [
        'users of its own',
        {
          hostname: 'box',
          rlimits: files,
          user: '1000:1001',
          userNamespace: {
            uids: [{ inside: 0, outside: 700_000, size: 65_536 }],
            gids: [{ inside: 0, outside: 700_000, size: 65_536 }],
          },
        },
      ],
      ['devices of CDI, with hooks', { hostname: 'box', rlimits: files, devices: [{ cdi: 'vendor.com/card=0' }] }],
      [
        'a read-only root with mounts and no filter',
        {
          hostname: 'box',
          seccomp: 'unconfined',
          rlimits: files,
          readonlyRootfs: true,
          mounts: [
            { type: 'bind', source: '/usr/bin', target: '/data', readonly: true },
            { type: 'tmpfs', target: '/tmp', size: 65536 },
          ],
        },
      ],
    ];

    it.each(worlds)('is the same world, point by point: %s', async (_, spec) => {
      const script = Object.entries(points)
        .map(([name, command]) => `echo "@${name}"; ${command}`)
        .join('\n');
      const command = ['/bin/sh', '-c', script];
      const [mine, other] = [byPoint(await ours({ ...spec, command })), byPoint(await theirs({ ...spec, command }))];
      for (const name of Object.keys(points)) expect({ [name]: mine[name] }).toEqual({ [name]: other[name] });
      const made = '--links set\nvendor0 1:5\nsh\n0\n';
      expect(mine['what hooks have made']).toBe(spec.devices ? made : '');
      expect(mine['what is bound']).toBe(spec.devices ? 'the library\n' : '');
      expect(mine['seccomp mode and number of filters']).toContain(
        spec.seccomp === 'unconfined' ? 'Seccomp:\t0' : 'Seccomp:\t2',
      );
    });

    it.each(worlds)('has the same namespaces of its own: %s', async (_, spec) => {
      const command = ['/bin/sh', '-c', namespaces.map((name) => `readlink /proc/self/ns/${name}`).join('; ')];
      const own = (output: string) =>
        output
          .trim()
          .split('\n')
          .map((link, index) => link !== readlinkSync(`/proc/self/ns/${namespaces[index] ?? ''}`));
      const mine = own(await ours({ ...spec, command }));
      expect(mine).toEqual(own(await theirs({ ...spec, command })));
      expect(mine.filter((isOwn) => isOwn).length).toBe(spec.userNamespace ? 7 : 6);
    });

    it.each(worlds)('hides and protects the same paths: %s', async (_, spec) => {
      const { config } = await host.containerizer.plan({ rootfs, ...spec, command: ['true'] });
      const paths = [...(config.linux.maskedPaths ?? []), ...(config.linux.readonlyPaths ?? [])];
      expect(paths.length).toBeGreaterThan(12);
      const look = (path: string) =>
        `if test -d ${path}; then echo ${path} folder $(ls ${path} | wc -l); elif test -e ${path}; then echo ${path} file; fi`;
      const write = (path: string) => `(: > ${path}) 2>/dev/null && echo ${path} writable`;
      const lines = [
        ...(config.linux.maskedPaths ?? []).map(look),
        ...(config.linux.readonlyPaths ?? []).map((p) => write(`${p}/x`)),
      ];
      const command = ['/bin/sh', '-c', [...lines, 'echo end'].join('\n')];
      expect(await ours({ ...spec, command })).toBe(await theirs({ ...spec, command }));
    });

    it.each(worlds)('mounts the same, with flags no weaker: %s', async (_, spec) => {
      const command = ['/bin/cat', '/proc/self/mounts'];
      const [mine, other] = [mounts(await ours({ ...spec, command })), mounts(await theirs({ ...spec, command }))];
      expect([...mine.keys()].sort()).toEqual([...other.keys()].sort());
      const { config } = await host.containerizer.plan({ rootfs, ...spec, command });
      for (const [target, flags] of other) {
        // Over a file lies the container's /dev/null: there is nothing to protect from being written.
        if (config.linux.maskedPaths?.includes(target)) continue;
        const weaker = flags.filter((flag) => !(mine.get(target) ?? []).includes(flag));
        expect({ target, weaker }).toEqual({ target, weaker: [] });
      }
    });

    it('lets through the same system calls, but for those newer than the profile', async () => {
      const command = ['/bin/attempts'];
      const spec = { rlimits: files };
      const [mine, other] = [outcomes(await ours({ ...spec, command })), outcomes(await theirs({ ...spec, command }))];
      // crun has no answer of its own for these; and libseccomp lets `socketcall` do whatever it lets `socket` do with no argument.
      const differ = ['newest', 'minus-one', 'i386-socketcall-socket', 'open-block', 'x32-getpid'];
      for (const name of differ) {
        delete mine[name];
        delete other[name];
      }
      expect(Object.keys(mine).length).toBeGreaterThan(60);
      expect(mine).toEqual(other);
    });
  },
);

/** A device with all that a document can hold of one: the hook of the host finds the root in the bundle's document. */
function vendorSpec(folder: string): CdiSpec {
  const script = join(folder, 'hook');
  const find =
    'bundle=$(sed \'s/.*"bundle":"\\([^"]*\\)".*/\\1/\'); root=$(sed \'s/.*"root":{"path":"\\([^"]*\\)".*/\\1/\' $bundle/config.json)';
  writeFileSync(
    script,
    `#!/bin/sh\n${find}\n{ echo "$@" $VAR; stat -c '%n %t:%T' $root/dev/vendor0 | sed s=.*/==; } > $root/etc/hooked\n`,
  );
  chmodSync(script, 0o755);
  writeFileSync(join(folder, 'lib.so'), 'the library\n');
  const deviceNodes = [{ path: '/dev/vendor0', hostPath: '/dev/zero', fileMode: 0o640, uid: 3, gid: 4 }];
  const hooks = [
    { hookName: 'createContainer', path: script, args: ['hook', '--links'], env: ['PATH=/usr/bin:/bin', 'VAR=set'] },
    {
      hookName: 'startContainer',
      path: '/bin/sh',
      args: ['sh', '-c', 'echo $0 $VAR > /etc/started; id -u >> /etc/started'],
    },
  ] as const;
  const mounts = [
    {
      hostPath: join(folder, 'lib.so'),
      containerPath: '/data/lib.so',
      options: ['ro', 'nosuid', 'nodev', 'rbind', 'rprivate'],
    },
  ];
  return {
    cdiVersion: '0.7.0',
    kind: 'vendor.com/card',
    devices: [{ name: '0', containerEdits: { env: ['VENDOR=0'], deviceNodes } }],
    containerEdits: { mounts, hooks, additionalGids: [44] },
  };
}

function byPoint(output: string): Record<string, string> {
  const sections = output.split(/^@/m).slice(1);
  return Object.fromEntries(
    sections.map((text) => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]),
  );
}

/** Type and security flags of each mount, by target. */
function mounts(output: string): Map<string, string[]> {
  const flags = /^(ro|nosuid|nodev|noexec)$/;
  return new Map(
    output
      .trim()
      .split('\n')
      .map((line) => {
        const [, target = '', , options = ''] = line.split(' ');
        return [target, options.split(',').filter((option) => flags.test(option))];
      }),
  );
}
