import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { CdiEdits } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { idmappableFolder } from '../support/idmappable-folder.js';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

/** For a hook: where its bundle and the container's root are. */
const find =
  'bundle=$(sed \'s/.*"bundle":"\\([^"]*\\)".*/\\1/\'); root=$(sed \'s/.*"root":{"path":"\\([^"]*\\)".*/\\1/\' $bundle/config.json)';

/** Of every machine; that it can be opened depends on nothing but the node and the control group. */
const latency = (() => {
  const { rdev } = statSync('/dev/cpu_dma_latency');
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) };
})();

requires({ root: true })('devices of CDI', () => {
  let folder: TemporaryFolder;
  let roots: TemporaryFolder;
  let host: TestHost;
  let node: string;
  const write = (name: string, devices: Readonly<Record<string, CdiEdits>>, containerEdits: CdiEdits = {}) => {
    const list = Object.entries(devices).map(([device, edits]) => ({ name: device, containerEdits: edits }));
    const spec = { cdiVersion: '1.1.0', kind: 'vendor.com/gpu', devices: list, containerEdits };
    writeFileSync(join(folder.path, 'cdi', name), JSON.stringify(spec));
  };
  const script = (name: string, text: string) => {
    const path = join(folder.path, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  beforeAll(async () => {
    folder = await temporaryFolder();
    mkdirSync(join(folder.path, 'cdi'));
    node = join(folder.path, 'vendor0');
    execFileSync('mknod', ['-m', '640', node, 'c', `${latency.major}`, `${latency.minor}`]);
    roots = await idmappableFolder();
    host = await startHost({ root: join(roots.path, 'root'), cdi: { folders: [join(folder.path, 'cdi')] } });
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await roots[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  it('come with nodes, variables, mounts and groups, and no other device with them', async () => {
    writeFileSync(join(folder.path, 'lib.so'), 'the library\n');
    write(
      'one.json',
      {
        a: {
          env: ['VENDOR_DEVICE=a'],
          deviceNodes: [
            { path: '/dev/vendor/a', hostPath: node, permissions: 'r', uid: 5, gid: 44 },
            { path: '/dev/vendor/ctl', type: 'c', major: 1, minor: 3, fileMode: 0o600 },
          ],
        },
        b: { env: ['NOT=this'] },
      },
      {
        env: ['VENDOR_VISIBLE=void'],
        mounts: [
          {
            hostPath: join(folder.path, 'lib.so'),
            containerPath: '/usr/lib/vendor/lib.so',
            options: ['ro', 'nosuid', 'nodev', 'rbind', 'rprivate'],
          },
          { hostPath: 'tmpfs', containerPath: '/vendor/tmp', type: 'tmpfs', options: ['size=64k', 'mode=750'] },
        ],
        additionalGids: [44],
      },
    );
    const text = [
      "ls -ln /dev/vendor/a /dev/vendor/ctl | tr -s ' ' | cut -d ' ' -f 1,3-6,10",
      'cat /usr/lib/vendor/lib.so; (echo x > /usr/lib/vendor/lib.so) 2>&1 | grep -o "Read-only"',
      'grep -o "/vendor/tmp tmpfs.*size=64k,mode=750" /proc/self/mounts | cut -d " " -f 1',
      'env | grep -E "^(VENDOR|NOT)" | sort',
      'id -G',
      '(exec 3< /dev/vendor/a) 2>/dev/null && echo read; (exec 3> /dev/vendor/a) 2>/dev/null && echo write',
      'mknod /dev/other c 1 11; (exec 3< /dev/other) 2>&1 | grep -o "Operation not permitted"',
    ];
    const { stdout } = await host.run({
      ...sh(text.join('; ')),

      devices: [{ cdi: 'vendor.com/gpu=a' }],
    });
    expect(stdout.split('\n')).toEqual([
      `crw-r----- 5 44 ${latency.major}, ${latency.minor} /dev/vendor/a`,
      'crw------- 0 0 1, 3 /dev/vendor/ctl',
      'the library',
      'Read-only',
      '/vendor/tmp',
      'VENDOR_DEVICE=a',
      'VENDOR_VISIBLE=void',
      '0 44',
      'read',
      'Operation not permitted',
      '',
    ]);
    const without = await host.run(
      sh(
        `mknod /dev/a c ${latency.major} ${latency.minor}; (exec 3< /dev/a) 2>/dev/null || echo no; env | grep VENDOR`,
      ),
    );
    expect(without.stdout).toBe('no\n');
  });

  it('win over what an image sets of their variables, but not over the spec', async () => {
    write('env.json', { env: { env: ['PATH=/vendor/bin:/bin'] } });
    const devices = [{ cdi: 'vendor.com/gpu=env' }];
    expect((await host.run({ ...sh('echo $PATH'), devices })).stdout).toBe('/vendor/bin:/bin\n');
    await expect(host.run({ ...sh('true'), devices, env: { PATH: '/mine' } })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { isolators: ['docker/runtime', 'gpu/cdi'], field: 'env PATH' },
    });
  });

  it('have their hooks run: those of the host find the root, change it, and are gone when the program runs', async () => {
    const link = script(
      'link',
      `${find}; ln -s lib.so.1 $root/lib.so && echo "$1" > $root/arguments; { pwd; env | grep -c LD_; true; } > $root/world`,
    );
    const check = script(
      'check',
      `${find}; test -c $root/dev/vendor/a && mount | grep -q " on $root/proc " && touch $root/saw-all`,
    );
    write('hooks.json', {
      hooks: {
        deviceNodes: [{ path: '/dev/vendor/a', hostPath: node }],
        hooks: [
          { hookName: 'createContainer', path: link, args: ['link', '--folder=/usr/lib'], env: ['PATH=/usr/bin:/bin'] },
          { hookName: 'createContainer', path: check, env: ['PATH=/usr/bin:/bin'] },
          { hookName: 'startContainer', path: '/bin/sh', args: ['sh', '-c', 'id -u > /tmp/started'] },
        ],
      },
    });
    const text =
      'readlink /lib.so; cat /arguments /world; ls /saw-all; cat /tmp/started; id -u; ps | grep -c "[s]h -c id"';
    const { stdout } = await host.run({
      ...sh(text),
      user: '33',
      // Not for a program of the host's.
      env: { LD_PRELOAD: '/planted.so', LD_LIBRARY_PATH: '/planted' },
      mounts: [{ type: 'tmpfs', target: '/tmp' }],
      devices: [{ cdi: 'vendor.com/gpu=hooks' }],
    });
    expect(stdout).toBe('lib.so.1\n--folder=/usr/lib\n/\n0\n/saw-all\n33\n33\n0\n');
  });

  it('with a hook that fails end the launch, and leave nothing', async () => {
    write('bad.json', {
      bad: { hooks: [{ hookName: 'createContainer', path: script('bad', 'echo no driver >&2; exit 4') }] },
    });
    const before = readdirSync(join(host.stateRoot, 'containers'));
    await expect(
      host.run({ id: 'bad', ...sh('true'), devices: [{ cdi: 'vendor.com/gpu=bad' }] }),
    ).rejects.toMatchObject({
      code: 'LAUNCH_FAILED',
      message: expect.stringContaining('exited with 4, saying no driver') as string,
      details: { name: 'hook', path: join(folder.path, 'bad') },
    });
    await host.containerizer.remove('bad');
    expect(readdirSync(join(host.stateRoot, 'containers'))).toEqual(before);
  });

  it('that cannot be had are refused before anything is made', async () => {
    write('later.json', { later: { hooks: [{ hookName: 'poststop', path: '/bin/true' }] } });
    for (const device of ['later', 'absent']) {
      await expect(
        host.run({ id: `refused-${device}`, ...sh('true'), devices: [{ cdi: `vendor.com/gpu=${device}` }] }),
      ).rejects.toMatchObject({
        code: 'REFUSED',
        details: { isolator: 'gpu/cdi' },
      });
      expect(existsSync(join(host.stateRoot, 'containers', `refused-${device}`))).toBe(false);
    }
  });

  it('are had in a user namespace, as far as that can be', async () => {
    const { major, minor } = latency;
    const path = '/dev/cpu_dma_latency';
    write('users.json', {
      users: {
        deviceNodes: [{ path }],
        additionalGids: [7],
        hooks: [{ hookName: 'startContainer', path: '/bin/sh', args: ['sh', '-c', 'id -u > /tmp/started'] }],
      },
      moved: { deviceNodes: [{ path: '/dev/vendor/a', hostPath: path }] },
    });
    const ids = [{ inside: 0, outside: 700_000, size: 65_536 }];
    const userNamespace = { uids: ids, gids: ids };
    const mounts = [{ type: 'tmpfs', target: '/tmp' }] as const;
    const inUsers = (device: string, script: string) =>
      host.run({ ...sh(script), userNamespace, mounts, devices: [{ cdi: `vendor.com/gpu=${device}` }] });
    const text = `stat -c '%t:%T' ${path}; id -G; cat /tmp/started; awk '{ print $2 }' /proc/self/uid_map`;
    const { stdout } = await inUsers('users', text);
    expect(stdout).toBe(`${major.toString(16)}:${minor.toString(16)}\n0 7\n0\n700000\n`);
    for (const device of ['hooks', 'moved']) {
      await expect(inUsers(device, 'true')).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining('user namespace') as string,
      });
    }
  });

  it('have their hooks run as an ordinary user, for his containers', async () => {
    const uid = 65_000;
    const home = await temporaryFolder();
    chmodSync(home.path, 0o711);
    const [root, stateRoot] = ['root', 'state'].map((name) => join(home.path, name)) as [string, string];
    for (const path of [root, stateRoot]) {
      mkdirSync(path);
      chownSync(path, uid, uid);
    }
    const hook = join(home.path, 'hook');
    writeFileSync(
      hook,
      `#!/bin/sh\n${find}\ntest -c $root/dev/null && id -u > $root/hooked && ls -ld $bundle > /dev/null\n`,
    );
    chmodSync(hook, 0o755);
    const hooks = [{ hookName: 'createContainer', path: hook, env: ['PATH=/usr/bin:/bin'] }];
    const containerEdits = { deviceNodes: [{ path: '/dev/zero' }], hooks };
    const specs = [{ cdiVersion: '1.0.0', kind: 'vendor.com/card', devices: [{ name: 'a', containerEdits }] }];
    const script = fileURLToPath(new URL('./gpu-host-program.mjs', import.meta.url));
    const input = {
      options: { root, stateRoot, cdi: { folders: [], specs } },
      specs: [
        { image: host.image, ...sh('cat /hooked'), devices: [{ cdi: 'vendor.com/card=a' }, { path: '/dev/random' }] },
      ],
      waits: true,
    };
    const user = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--inh-caps=-all'];
    const places = { HOME: home.path, XDG_RUNTIME_DIR: stateRoot, XDG_DATA_HOME: root };
    const program = spawn('setpriv', [...user, process.execPath, script, JSON.stringify(input)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...places },
    });
    const [output, errors] = await Promise.all([textOf(program.stdout), textOf(program.stderr)]);
    expect(errors).toBe('');
    expect(output.split('\n')[1]).toBe('"0\\n"');
    await home[Symbol.asyncDispose]();
  });

  it('are in the plan, with their hooks', async () => {
    const { config, plan } = await host.containerizer.plan({
      image: host.image,
      ...sh('true'),
      devices: [{ cdi: 'vendor.com/gpu=hooks' }],
    });
    expect(config.hooks?.createContainer).toHaveLength(2);
    expect(plan.steps.filter(({ op }) => op === 'hook').map(({ path }) => path)).toEqual([
      join(folder.path, 'link'),
      join(folder.path, 'check'),
      '/bin/sh',
    ]);
  });

  it('are had by a process that is started later', async () => {
    const { id } = await host.containerizer.launch({
      image: host.image,
      ...sh('exec sleep 1000'),
      devices: [{ cdi: 'vendor.com/gpu=a' }],
    });
    const exec = await host.containerizer.exec(id, sh('(exec 3< /dev/vendor/a) && test $VENDOR_DEVICE = a'));
    expect(await exec.exit).toMatchObject({ code: 0 });
    await host.containerizer.destroy(id);
  });
});
