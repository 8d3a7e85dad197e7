import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Step } from '../../packages/launcher/src/protocol.generated.js';
import {
  bindRoot,
  charDevice,
  isolated,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  mountDev,
  mountProc,
  noRoots,
  S_IFCHR,
  S_IFIFO,
} from './support/root.js';
import { exec, fail, run, shell } from './support/run.js';
import { removeStateDirs, stateDir } from './support/shim-session.js';

const { EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ESTALE, EXDEV } = constants.errno;
const MS_SLAVE = 0x80000;
const MOUNT_ATTR_RDONLY = 1;

const because = noRoots ? ` (skipped: ${noRoots})` : '';

afterEach(removeStateDirs);

function tmpfs(target: string, data = ''): Step {
  return { op: 'mount', type: 'tmpfs', source: 'tmpfs', target, flags: MS_NOSUID | MS_NODEV | MS_NOEXEC, data };
}

function bind(source: string, target: string, attributes = 0, identity = ''): Step {
  return {
    op: 'bind',
    source,
    target,
    recursive: 1,
    attributes: 0,
    recursiveAttributes: attributes,
    idmap: 0,
    identity,
  };
}

describe.skipIf(noRoots)(`mounts${because}`, () => {
  it('have the options and flags of the plan, on a folder made for them', async () => {
    const root = bindRoot();
    const plan = [...root.mount, mountProc, tmpfs('/a/b', 'size=64k,mode=1777'), root.enter];
    const { stdout } = await run(
      [...plan, ...shell('busybox grep " /a/b " /proc/mounts; busybox stat -c %a /a/b')],
      isolated,
    );
    expect(stdout).toMatch(/^tmpfs \/a\/b tmpfs rw,nosuid,nodev,noexec,relatime,size=64k\S* 0 0\n1777\n$/);
  });

  it('report an option in the words of the kernel', async () => {
    const root = bindRoot();
    const report = await fail([...root.mount, tmpfs('/a', 'size=wrong'), ...exec('/bin/sh')], isolated);
    expect(report).toMatchObject({ step: 2, errno: EINVAL, path: '/a' });
    expect(report.name).toMatch(/^mount: .*size/);
  });

  it('report a flag that is none', async () => {
    const root = bindRoot();
    const plan: Step[] = [...root.mount, { ...tmpfs('/a'), flags: 4096 } as Step, ...exec('/bin/sh')];
    expect(await fail(plan, isolated)).toMatchObject({ name: 'mount: mount flags', errno: EINVAL });
  });
});

describe.skipIf(noRoots)(`a hostile root${because}`, () => {
  /** A folder of the host that links of the image point to; nothing in it may change. */
  function victim(): string {
    const folder = stateDir();
    writeFileSync(join(folder, 'file'), 'safe');
    return folder;
  }

  it('with /dev a link to the host gets its /dev inside itself', async () => {
    const outside = victim();
    const root = bindRoot();
    symlinkSync(outside, join(root.source, 'dev'));
    const plan = [...root.mount, mountDev, charDevice('/dev/null', 1, 3), root.enter];
    const { stdout } = await run([...plan, ...shell('echo > /dev/null && busybox stat -c %t:%T /dev/null')], isolated);
    expect(stdout).toBe('1:3\n');
    expect(readdirSync(outside)).toEqual(['file']);
  });

  it.each(['../../../../../../..', '/..', '/proc/1/root', '/proc/self/root'])(
    'with a link to %s on the way gets the mount inside itself',
    async (way) => {
      const outside = victim();
      const root = bindRoot();
      symlinkSync(`${way}${outside}`, join(root.source, 'volume'));
      const plan = [...root.mount, tmpfs('/volume/deep'), bind(outside, '/volume/file2'), root.enter];
      const { exit } = await run([...plan, ...shell('[ -d /volume/deep ] && [ -f /volume/file2/file ]')], isolated);
      expect(exit).toMatchObject({ type: 0, value: 0 });
      expect(readdirSync(outside)).toEqual(['file']);
    },
  );

  it.each(['proc', 'sys'])('with /%s a link is refused', async (name) => {
    const root = bindRoot();
    symlinkSync('tmp', join(root.source, name));
    const type = name === 'sys' ? 'sysfs' : 'proc';
    const plan: Step[] = [
      ...root.mount,
      { op: 'mount', type, source: type, target: `/${name}`, flags: 0, data: '' },
      ...exec('/bin/sh'),
    ];
    expect(await fail(plan, isolated)).toMatchObject({ step: 2, errno: ELOOP, path: `/${name}` });
  });

  it('with links in a circle is refused', async () => {
    const root = bindRoot();
    symlinkSync('b', join(root.source, 'a'));
    symlinkSync('a', join(root.source, 'b'));
    expect(await fail([...root.mount, tmpfs('/a/c'), ...exec('/bin/sh')], isolated)).toMatchObject({ errno: ELOOP });
  });

  it('with a dangling link gets the file where the link points, inside', async () => {
    const outside = victim();
    const root = bindRoot();
    mkdirSync(join(root.source, 'etc'));
    symlinkSync('../run/resolve/conf', join(root.source, 'etc/resolv.conf'));
    const plan = [...root.mount, bind(join(outside, 'file'), '/etc/resolv.conf', MOUNT_ATTR_RDONLY), root.enter];
    const { stdout } = await run([...plan, ...shell('busybox cat /run/resolve/conf')], isolated);
    expect(stdout).toBe('safe');
    expect(existsSync('/run/resolve')).toBe(false);
  });

  it('with a false /dev/null is refused its masks', async () => {
    const root = bindRoot();
    mkdirSync(join(root.source, 'dev'));
    writeFileSync(join(root.source, 'dev/null'), '');
    const plan: Step[] = [...root.mount, mountProc, { op: 'mask', path: '/proc/keys' }, ...exec('/bin/sh')];
    expect(await fail(plan, isolated)).toMatchObject({ step: 3, errno: EINVAL, path: '/dev/null' });
  });

  it('with another null device in its place is refused too', async () => {
    const root = bindRoot();
    const plan: Step[] = [...root.mount, mountProc, mountDev, charDevice('/dev/null', 1, 5)];
    const report = await fail([...plan, { op: 'mask', path: '/proc/keys' }, ...exec('/bin/sh')], isolated);
    expect(report).toMatchObject({ step: 5, errno: EINVAL, path: '/dev/null' });
  });

  it('without a procfs at /proc is refused masks below it', async () => {
    const root = bindRoot();
    mkdirSync(join(root.source, 'proc'));
    writeFileSync(join(root.source, 'proc/keys'), '');
    const plan: Step[] = [...root.mount, { op: 'mask', path: '/proc/keys' }, ...exec('/bin/sh')];
    expect(await fail(plan, isolated)).toMatchObject({ step: 2, errno: EXDEV, path: '/proc/keys' });
  });
});

describe.skipIf(noRoots)(`binds${because}`, () => {
  it('are read-only if so asked, and files or folders as their source', async () => {
    const source = stateDir();
    writeFileSync(join(source, 'file'), 'text');
    const root = bindRoot();
    const plan = [
      ...root.mount,
      bind(source, '/ro', MOUNT_ATTR_RDONLY),
      bind(source, '/rw'),
      bind(join(source, 'file'), '/one/file'),
      root.enter,
    ];
    const { stdout, stderr } = await run(
      [...plan, ...shell('echo x > /rw/new && busybox cat /one/file; echo x > /ro/other')],
      isolated,
    );
    expect(stdout).toBe('text');
    expect(stderr).toContain('Read-only file system');
    expect(readFileSync(join(source, 'new'), 'utf8')).toBe('x\n');
    expect(lstatSync(join(root.source, 'one/file')).isFile()).toBe(true);
  });

  it('report an absent source', async () => {
    const root = bindRoot();
    const report = await fail([...root.mount, bind('/no/such', '/x'), ...exec('/bin/sh')], isolated);
    expect(report).toMatchObject({ step: 2, name: 'bind: open', errno: ENOENT, path: '/no/such' });
    expect(existsSync(join(root.source, 'x'))).toBe(false);
  });

  it('are refused if another file is at the path by then', async () => {
    const source = stateDir();
    const { dev, ino } = statSync(source);
    const root = bindRoot();
    const same = [...root.mount, bind(source, '/x', 0, `${dev}:${ino}`), root.enter, ...shell('true')];
    expect((await run(same, isolated)).exit).toMatchObject({ type: 0, value: 0 });
    const other = [...root.mount, bind(source, '/x', 0, `${dev}:${ino + 1}`), ...exec('/bin/sh')];
    expect(await fail(other, isolated)).toMatchObject({ step: 2, errno: ESTALE, path: source });
    const wrong = [...root.mount, bind(source, '/x', 0, 'x:y'), ...exec('/bin/sh')];
    expect(await fail(wrong, isolated)).toMatchObject({ step: 2, errno: EINVAL });
  });

  it('show ids through a map, and refuse a map that is none', async () => {
    const source = stateDir();
    writeFileSync(join(source, 'file'), '');
    chownSync(join(source, 'file'), 7, 8);
    // An owner without a mapping keeps everybody out.
    chownSync(source, 7, 8);
    const root = bindRoot();
    const mapped: Step = { ...bind(source, '/m'), idmap: 2 } as Step;
    const map: Step = { op: 'idmap', uids: ['7 1007 1'], gids: ['8 1008 1'] };
    const plan = [...root.mount, map, mapped, root.enter];
    const { stdout } = await run([...plan, ...shell('busybox stat -c %u:%g /m/file')], isolated);
    expect(stdout).toBe('1007:1008\n');
    const wrong: Step = { op: 'idmap', uids: ['wrong'], gids: [] };
    expect(await fail([...root.mount, wrong, mapped, ...exec('/bin/sh')], isolated)).toMatchObject({
      step: 2,
      errno: EINVAL,
    });
  });

  it('are of the trees that were opened before, each once', async () => {
    const root = bindRoot();
    const source = stateDir();
    const tree: Step = {
      op: 'openTree',
      source,
      recursive: 1,
      attributes: 0,
      recursiveAttributes: 0,
      idmap: 0,
      propagation: MS_SLAVE,
      identity: '',
    };
    const plan = [tree, ...root.mount, bind('', '/x'), root.enter, ...shell('[ -d /x ]')];
    expect((await run(plan, isolated)).exit).toMatchObject({ type: 0, value: 0 });
    const twice = [tree, ...root.mount, bind('', '/x'), bind('', '/y'), ...exec('/bin/sh')];
    expect(await fail(twice, isolated)).toMatchObject({ step: 4, errno: EINVAL });
  });
});

describe.skipIf(noRoots)(`files in memory${because}`, () => {
  const folder: Step = { op: 'memoryFolder', mode: 0o751, uid: 1, gid: 2 };
  const file = (name: string): Step => ({
    op: 'memoryFile',
    name,
    mode: 0o640,
    uid: 3,
    gid: 4,
    content: Buffer.from('a\0b\n'),
  });
  const mount = (target: string, single = ''): Step => ({
    op: 'memoryMount',
    target,
    file: single,
  });

  it('come with their bytes, mode and owner, in a folder or alone, and cannot be changed', async () => {
    const root = bindRoot();
    const plan = [
      ...root.mount,
      folder,
      file('one'),
      file('two'),
      mount('/f'),
      folder,
      file('x'),
      mount('/deep/x', 'x'),
      root.enter,
    ];
    const script =
      'busybox stat -c %a:%u:%g /f /f/one /deep/x; busybox wc -c </f/two; busybox wc -c </deep/x; echo >/f/new || echo ro; echo >/deep/x || echo ro';
    const { stdout } = await run([...plan, ...shell(script)], isolated);
    expect(stdout).toBe('751:1:2\n640:3:4\n640:3:4\n4\n4\nro\nro\n');
  });

  it('are named within their folder', async () => {
    const root = bindRoot();
    expect(await fail([...root.mount, folder, file('../x'), ...exec('/bin/sh')], isolated)).toMatchObject({
      step: 3,
      errno: EINVAL,
    });
    expect(await fail([...root.mount, folder, file('..'), ...exec('/bin/sh')], isolated)).toMatchObject({ step: 3 });
    expect(await fail([...root.mount, file('x'), ...exec('/bin/sh')], isolated)).toMatchObject({
      step: 2,
      errno: EBADF,
    });
  });
});

describe.skipIf(noRoots)(`masks and read-only paths${because}`, () => {
  it('hide files and folders, and leave absent ones', async () => {
    const root = bindRoot();
    for (const name of ['one', 'two']) {
      mkdirSync(join(root.source, name));
      writeFileSync(join(root.source, name, 'secret'), 'secret');
    }
    const paths = ['/proc/keys', '/proc/timer_list', '/one', '/two', '/proc/absent', '/absent/deep'];
    const plan: Step[] = [
      ...root.mount,
      mountProc,
      mountDev,
      charDevice('/dev/null', 1, 3),
      root.enter,
      ...paths.map((path): Step => ({ op: 'mask', path })),
    ];
    const { stdout, stderr } = await run(
      [...plan, ...shell('busybox cat /proc/keys /proc/timer_list; busybox ls -A /one /two; echo x > /one/x')],
      isolated,
    );
    expect(stdout).toBe('/one:\n\n/two:\n');
    expect(stderr).toContain('Read-only file system');
  });

  it('keep /proc/sys readable and no more', async () => {
    const root = bindRoot();
    const plan: Step[] = [
      ...root.mount,
      mountProc,
      root.enter,
      { op: 'readonlyPath', path: '/proc/sys' },
      { op: 'readonlyPath', path: '/proc/absent' },
    ];
    const { stdout, stderr } = await run(
      [...plan, ...shell('busybox cat /proc/sys/kernel/ostype; echo x > /proc/sys/kernel/hostname')],
      isolated,
    );
    expect(stdout).toBe('Linux\n');
    expect(stderr).toContain('Read-only file system');
  });
});

describe.skipIf(noRoots)(`devices and links${because}`, () => {
  it('have the type, mode and owner of the plan', async () => {
    const root = bindRoot();
    const plan: Step[] = [
      ...root.mount,
      mountDev,
      {
        op: 'device',
        host: '',
        path: '/dev/deep/zero',
        type: S_IFCHR,
        major: 1,
        minor: 5,
        mode: 0o622,
        uid: 7,
        gid: 8,
      },
      { op: 'device', host: '', path: '/dev/pipe', type: S_IFIFO, major: 0, minor: 0, mode: 0o666, uid: 0, gid: 0 },
      { op: 'symlink', target: 'pts/ptmx', path: '/dev/ptmx' },
      { op: 'symlink', target: 'pts/ptmx', path: '/dev/ptmx' },
      root.enter,
    ];
    const { stdout } = await run(
      [
        ...plan,
        ...shell(
          'busybox stat -c "%F %a %u:%g %t:%T" /dev/deep/zero /dev/pipe; busybox readlink /dev/ptmx; busybox head -c 2 /dev/deep/zero | busybox wc -c',
        ),
      ],
      isolated,
    );
    expect(stdout).toBe('character special file 622 7:8 1:5\nfifo 666 0:0 0:0\npts/ptmx\n2\n');
  });

  it('do not replace what is there', async () => {
    const root = bindRoot();
    const device = charDevice('/bin/sh', 1, 3);
    expect(await fail([...root.mount, device, ...exec('/bin/sh')], isolated)).toMatchObject({ errno: EEXIST });
    const link: Step = { op: 'symlink', target: 'other', path: '/bin/sh' };
    expect(await fail([...root.mount, link, ...exec('/bin/sh')], isolated)).toMatchObject({ errno: EEXIST });
    expect(statSync(join(root.source, 'bin/sh')).isFile()).toBe(true);
  });

  it.each([
    ['a number the kernel would cut', { path: '/dev/x', major: 4096, minor: 0 }],
    ['a path without a name', { path: '/dev/..', major: 1, minor: 3 }],
  ])('are refused with %s', async (_, change) => {
    const root = bindRoot();
    const device = { ...charDevice('/dev/x', 1, 3), ...change } as Step;
    expect(await fail([...root.mount, device, ...exec('/bin/sh')], isolated)).toMatchObject({ errno: EINVAL });
  });
});
