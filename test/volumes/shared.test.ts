import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerMount, ContainerSpec } from '@gantry/interface';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true })('folders that containers share', () => {
  let host: TestHost;
  let folder: TemporaryFolder;
  beforeAll(async () => {
    host = await startHost();
    folder = await temporaryFolder();
  });
  afterEach(async () => {
    for await (const { id, parent } of host.containerizer.containers()) {
      if (parent === undefined) await host.containerizer.destroy(id);
    }
    for await (const { id, parent } of host.containerizer.containers()) {
      if (parent === undefined) await host.containerizer.remove(id);
    }
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const parent = (mounts: ContainerMount[], id = 'parent') =>
    host.containerizer.launch({ id, image: host.image, command: ['/bin/sleep', '600'], mounts });
  const nested = (script: string, mount: ContainerMount, spec: Partial<ContainerSpec> = {}) =>
    host.run({ parent: 'parent', ...sh(script), mounts: [mount], ...spec });
  const sandboxes = () => {
    const root = join(host.root, 'sandboxes');
    return existsSync(root) ? readdirSync(root).flatMap((place) => readdirSync(join(root, place))) : [];
  };

  it('are in the sandbox of the parent, seen by it and by those nested in it, and gone with it', async () => {
    await parent([{ type: 'sandbox', of: 'self', path: 'common', target: '/mine' }]);
    const mount: ContainerMount = { type: 'sandbox', of: 'parent', path: 'common', target: '/shared' };
    await nested('echo one >/shared/file', mount, { user: '1000' });
    expect(
      (await nested('cat /shared/file; echo x >/shared/file || echo ro', { ...mount, readonly: true })).stdout,
    ).toBe('one\nro\n');
    const process = await host.containerizer.exec('parent', { command: ['/bin/cat', '/mine/file'] });
    expect((await process.stdout.toArray()).join('')).toBe('one\n');
    await process[Symbol.asyncDispose]();
    expect(sandboxes()).toEqual(['parent']);
    await host.containerizer.destroy('parent');
    expect(sandboxes()).toEqual([]);
  });

  it('are in a volume of the parent, no freer than it has them', async () => {
    const source = join(folder.path, 'volume');
    mkdirSync(join(source, 'sub'), { recursive: true });
    writeFileSync(join(source, 'sub/file'), 'here\n');
    await parent([{ type: 'bind', source, target: '/data/', readonly: true, noexec: true }]);
    const mount: ContainerMount = { type: 'sandbox', of: 'parent', volume: '/data', path: 'sub', target: '/v' };
    const { stdout } = await nested('cat /v/file; echo x >/v/new || echo ro; grep " /v " /proc/self/mounts', mount);
    expect(stdout).toMatch(/^here\nro\n.* ro,.*noexec/);
    await expect(nested('true', { ...mount, volume: '/other' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(nested('true', { ...mount, path: 'absent' })).rejects.toMatchObject({ code: 'REFUSED' });
    await expect(nested('true', { ...mount, path: '../..' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it.each([
    ['absolute', '/etc'],
    ['relative', '../../../../../../../../../etc'],
    ['harmless', 'inner'],
  ])('follow a link that the parent planted nowhere outside: %s', async (kind, to) => {
    const source = join(folder.path, `planted-${kind}`);
    mkdirSync(join(source, 'inner'), { recursive: true });
    symlinkSync(to, join(source, 'link'));
    await parent([{ type: 'bind', source, target: '/data' }]);
    const mount: ContainerMount = { type: 'sandbox', of: 'parent', volume: '/data', path: 'link', target: '/v' };
    if (kind === 'harmless') {
      expect((await nested('ls /v | wc -l', mount)).stdout).toBe('0\n');
    } else {
      const code = expect.stringMatching(/^(REFUSED|LAUNCH_FAILED)$/);
      await expect(nested('ls /v', mount)).rejects.toMatchObject({ code });
    }
  });

  it('need a parent', async () => {
    const mounts: ContainerMount[] = [{ type: 'sandbox', of: 'parent', path: 'x', target: '/x' }];
    await expect(host.run({ ...sh('true'), mounts })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('outlive containers as persistent volumes, with the owner they were made with', async () => {
    const mount: ContainerMount = {
      type: 'persistent',
      id: 'data',
      target: '/data',
      owner: { mode: 0o700, uid: 1000, gid: 1000 },
    };
    const first = await host.run({
      ...sh('stat -c %a:%u:%g /data; echo kept >/data/file; chown 7 /data'),
      mounts: [mount],
    });
    expect(first.stdout).toBe('700:1000:1000\n');
    const again = await host.run({ ...sh('stat -c %u /data; cat /data/file'), mounts: [mount] });
    expect(again.stdout).toBe('7\nkept\n');
    const listed = [];
    for await (const volume of host.containerizer.volumes.list()) listed.push(volume);
    expect(listed).toMatchObject([{ id: 'data', owner: { mode: 0o700, uid: 7, gid: 1000 }, users: [] }]);
  });

  it('are not removed while anybody uses them', async () => {
    const mounts: ContainerMount[] = [{ type: 'persistent', id: 'used', target: '/data' }];
    const { volumes } = host.containerizer;
    await parent(mounts, 'first');
    await parent(mounts, 'second');
    const removal = expect.objectContaining({ code: 'WRONG_STATE' });
    await expect(volumes.remove('used')).rejects.toEqual(removal);
    await host.containerizer.destroy('first');
    await expect(volumes.remove('used')).rejects.toEqual(removal);
    await expect(volumes.remove('../used')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await host.containerizer.destroy('second');
    expect(await volumes.remove('used')).toBe(true);
    expect(await volumes.remove('used')).toBe(false);
    expect(existsSync(join(host.root, 'persistent/volumes/used'))).toBe(false);
    expect(readdirSync(join(host.root, 'persistent/volumes')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('are shown in the plan without being made', async () => {
    const { config } = await host.containerizer.plan({
      image: host.image,
      command: ['/bin/true'],
      mounts: [{ type: 'persistent', id: 'planned', target: '/data' }],
    });
    const source = join(host.root, 'persistent/volumes/planned');
    expect(config.mounts.find(({ destination }) => destination === '/data')).toMatchObject({ source });
    expect(existsSync(source)).toBe(false);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('planned');
  });
});
