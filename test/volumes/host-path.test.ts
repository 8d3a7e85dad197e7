import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BindMount } from '@gantry/interface';
import { idmapObstacle } from '@gantry/native';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { mountAt } from './mountinfo.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true, commands: ['mount', 'umount'], packages: ['mount'] })('volume/host_path', () => {
  let host: TestHost;
  let folder: TemporaryFolder;
  let source: string;
  let sleeping = 0;
  beforeAll(async () => {
    host = await startHost();
    folder = await temporaryFolder();
    source = join(folder.path, 'source');
    mkdirSync(join(source, 'below'), { recursive: true });
    writeFileSync(join(source, 'file'), 'from the host\n');
    execFileSync('mount', ['-t', 'tmpfs', 'below', join(source, 'below')]);
    writeFileSync(join(source, 'below', 'deep'), 'deep\n');
    execFileSync('mount', ['--make-private', join(source, 'below')]);
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    execFileSync('umount', [join(source, 'below')]);
    await folder[Symbol.asyncDispose]();
  });

  const bind = (mount: Partial<BindMount>): BindMount => ({ type: 'bind', source, target: '/data', ...mount });

  /** A container that stays, to be looked at from outside. */
  async function running(mount: Partial<BindMount>) {
    sleeping += 1;
    const status = await host.containerizer.launch({
      id: `bind-${sleeping}`,
      image: host.image,
      command: ['/bin/sleep', '600'],
      mounts: [bind(mount)],
    });
    return {
      id: status.id,
      pid: status.pid,
      [Symbol.asyncDispose]: async () => {
        await host.containerizer.destroy(status.id);
        await host.containerizer.remove(status.id);
      },
    };
  }

  const inside = (mount: Partial<BindMount>, script: string) => host.run({ ...sh(script), mounts: [bind(mount)] });

  it('is read-only with all that is mounted below it', async () => {
    await using container = await running({ readonly: true });
    expect(mountAt(container.pid, '/data').options).toContain('ro');
    expect(mountAt(container.pid, '/data/below').options).toContain('ro');
    const { stdout } = await inside(
      { readonly: true },
      'echo x >/data/new || echo ro; echo x >/data/below/new || echo ro',
    );
    expect(stdout).toBe('ro\nro\n');
  });

  it('is read-only by itself, if asked', async () => {
    await using container = await running({ readonly: 'shallow' });
    expect(mountAt(container.pid, '/data').options).toContain('ro');
    expect(mountAt(container.pid, '/data/below').options).toContain('rw');
    const { stdout } = await inside(
      { readonly: 'shallow' },
      'echo x >/data/new || echo ro; echo x >/data/below/new && echo rw',
    );
    expect(stdout).toBe('ro\nrw\n');
  });

  it('leaves out what is mounted below it, if asked', async () => {
    const { stdout } = await inside({ recursive: false }, 'ls -A /data/below | wc -l; cat /data/file');
    expect(stdout).toBe('0\nfrom the host\n');
  });

  it('has no devices, and neither programs nor set-user-ID bits if asked, with all below it', async () => {
    await using container = await running({ noexec: true, nosuid: true });
    for (const point of ['/data', '/data/below']) {
      expect(mountAt(container.pid, point).options).toEqual(expect.arrayContaining(['nodev', 'nosuid', 'noexec']));
    }
    const { stdout } = await inside(
      { noexec: true },
      'cp /bin/busybox /data/below/prog; /data/below/prog true || echo no',
    );
    expect(stdout).toBe('no\n');
  });

  it('may be a file', async () => {
    const { stdout } = await inside(
      { source: join(source, 'file'), target: '/etc/one', readonly: true },
      'cat /etc/one; echo x >/etc/one || echo ro',
    );
    expect(stdout).toBe('from the host\nro\n');
  });

  it('shows owners as they are mapped, and stores them as they are', async ({ skip }) => {
    const mapped = join(folder.path, 'mapped');
    mkdirSync(mapped);
    const obstacle = await idmapObstacle(mapped);
    if (obstacle) skip(`needs a file system for temporary files that can be idmapped: ${obstacle}`);
    writeFileSync(join(mapped, 'theirs'), '');
    chownSync(join(mapped, 'theirs'), 5000, 6000);
    chownSync(mapped, 5000, 6000);
    const idmap = {
      uids: [{ source: 5000, target: 1000, size: 1 }],
      gids: [{ source: 6000, target: 1000, size: 1 }],
    };
    await using container = await running({ source: mapped, idmap });
    expect(mountAt(container.pid, '/data').options).toContain('idmapped');
    const { stdout } = await host.run({
      ...sh('stat -c %u:%g /data/theirs; touch /data/new; stat -c %u:%g /data/new'),
      user: '1000:1000',
      mounts: [bind({ source: mapped, idmap })],
    });
    expect(stdout).toBe('1000:1000\n1000:1000\n');
    const { uid, gid } = statSync(join(mapped, 'new'));
    expect({ uid, gid }).toEqual({ uid: 5000, gid: 6000 });
  });

  it('is refused with other ids where the file system cannot have them, before anything is there', async () => {
    const unable = join(folder.path, 'unable');
    mkdirSync(unable);
    execFileSync('mount', ['-t', 'ramfs', 'unable', unable]);
    try {
      const ids = [{ source: 0, target: 1000, size: 1 }];
      const spec = {
        image: host.image,
        command: ['/bin/true'],
        mounts: [bind({ source: unable, idmap: { uids: ids, gids: ids } })],
      };
      const refusal = {
        code: 'REFUSED',
        message: expect.stringContaining('ramfs, or what is mounted below it, cannot on this kernel'),
        details: { isolator: 'volume/host_path', field: 'spec.mounts[0]', path: unable, errno: 'EINVAL' },
      };
      await expect(host.containerizer.launch(spec)).rejects.toMatchObject(refusal);
      await expect(host.containerizer.plan(spec)).rejects.toMatchObject(refusal);
    } finally {
      execFileSync('umount', [unable]);
    }
  });

  it('is made on demand, with an owner and mode of its own, once', async () => {
    const made = join(folder.path, 'made/on/demand');
    const create = { mode: 0o750, uid: 1234, gid: 2345 };
    const { stdout } = await inside({ source: made, create }, 'stat -c %a:%u:%g /data');
    expect(stdout).toBe('750:1234:2345\n');
    chownSync(made, 1, 2);
    expect((await inside({ source: made, create }, 'stat -c %a:%u:%g /data')).stdout).toBe('750:1:2\n');
    expect(readdirSync(join(folder.path, 'made/on'))).toEqual(['demand']);
  });

  it('is refused where there is nothing', async () => {
    await expect(inside({ source: '/nonexistent' }, 'true')).rejects.toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'volume/host_path', path: '/nonexistent' },
    });
  });

  it('cannot propagate from or to a private mount: refused', async () => {
    for (const propagation of ['rslave', 'rshared'] as const) {
      await expect(inside({ source: join(source, 'below'), propagation }, 'true')).rejects.toMatchObject({
        code: 'REFUSED',
        details: { isolator: 'volume/host_path' },
      });
    }
  });

  it('sees later mounts of the host as rslave, gives its own as rshared, and neither as private', async () => {
    const shared = join(folder.path, 'shared');
    mkdirSync(shared);
    execFileSync('mount', ['-t', 'tmpfs', 'shared', shared]);
    execFileSync('mount', ['--make-shared', shared]);
    for (const name of ['host', 'inner']) mkdirSync(join(shared, name));
    try {
      await using isPrivate = await running({ source: shared });
      await using slave = await running({ source: shared, propagation: 'rslave' });
      await using peer = await running({ source: shared, propagation: 'rshared' });
      expect(mountAt(isPrivate.pid, '/data').optional).toEqual([]);
      expect(mountAt(slave.pid, '/data').optional).toEqual([expect.stringMatching(/^master:/)]);
      expect(mountAt(peer.pid, '/data').optional).toEqual([expect.stringMatching(/^shared:/)]);
      const count = (pid: number | undefined, point: string) =>
        readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
          .split('\n')
          .filter((line) => line.split(' ')[4] === point).length;
      execFileSync('mount', ['-t', 'tmpfs', 'later', join(shared, 'host')]);
      expect(count(slave.pid, '/data/host')).toBe(1);
      expect(count(peer.pid, '/data/host')).toBe(1);
      expect(count(isPrivate.pid, '/data/host')).toBe(0);
      // As a container with the privilege would.
      execFileSync('nsenter', ['-t', `${peer.pid}`, '-m', 'mount', '-t', 'tmpfs', 'inner', '/data/inner']);
      expect(count(process.pid, join(shared, 'inner'))).toBe(1);
      execFileSync('nsenter', ['-t', `${slave.pid}`, '-m', 'mount', '-t', 'tmpfs', 'inner', '/data/inner']);
      expect(count(process.pid, join(shared, 'inner'))).toBe(1);
      execFileSync('umount', [join(shared, 'inner')]);
      execFileSync('umount', [join(shared, 'host')]);
    } finally {
      execFileSync('umount', ['-R', shared]);
    }
  });

  it('goes where the target is inside the root, whatever links the image has', async () => {
    const victim = join(folder.path, 'victim');
    const rootfs = join(folder.path, 'hostile');
    mkdirSync(victim);
    mkdirSync(join(rootfs, 'bin'), { recursive: true });
    execFileSync('cp', ['/bin/busybox', join(rootfs, 'bin/sh')]);
    symlinkSync(`../../../../../../..${victim}`, join(rootfs, 'up'));
    symlinkSync(victim, join(rootfs, 'absolute'));
    symlinkSync(`/proc/1/root${victim}`, join(rootfs, 'magic'));
    for (const target of ['/up/a', '/absolute/b', '/up', '/absolute/d/e']) {
      const { termination } = await host.run({
        image: undefined,
        rootfs,
        command: ['/bin/sh', '-c', `[ -f ${target}/file ]`],
        mounts: [bind({ target })],
      });
      expect(termination.exit, target).toMatchObject({ code: 0 });
    }
    const magic = host.run({ image: undefined, rootfs, ...sh('true'), mounts: [bind({ target: '/magic/c' })] });
    await expect(magic).rejects.toMatchObject({ code: 'LAUNCH_FAILED', details: { name: 'bind', errno: 'ELOOP' } });
    expect(readdirSync(victim)).toEqual([]);
    for (const target of ['/a/../../etc', '/data/..', 'data']) {
      await expect(inside({ target }, 'true')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});
