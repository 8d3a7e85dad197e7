import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTar } from '@gantry/archive';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ImportWorld, importWorld } from './import-fixtures.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let world: ImportWorld;
let path: string;
beforeEach(async () => {
  world = await importWorld();
  path = join(world.sources, 'root');
  await mkdir(join(path, 'bin'), { recursive: true });
  await writeFile(join(path, 'bin', 'app'), 'program');
  await chmod(join(path, 'bin', 'app'), 0o750);
  await symlink('app', join(path, 'bin', 'link'));
});
afterEach(() => world[Symbol.asyncDispose]());

describe('import of a folder', () => {
  it('makes an image of one layer that holds what the folder holds', async () => {
    const config = { cmd: ['/bin/app'], env: ['A=1'], labels: new Map([['a', 'b']]), volumes: ['/data'] };
    const image = await world.store.import({ type: 'directory', path, config }, { as: 'mine:1' });
    expect(image).toMatchObject({ reference: 'docker.io/library/mine:1', config });
    expect(image.layers).toHaveLength(1);
    const entries: string[] = [];
    for await (const entry of readTar(world.store.readBlob(image.layers[0]?.diffId ?? 'sha256:'))) {
      entries.push(`${entry.type} ${entry.name} ${entry.mode.toString(8)} ${entry.linkName}`.trim());
    }
    expect(entries.filter((entry) => entry.includes('bin/'))).toEqual([
      'directory bin/ 755',
      'file bin/app 750',
      'symlink bin/link 777 app',
    ]);
    const link = join(world.sources, 'link');
    await symlink(path, link);
    const again = await world.store.import({ type: 'directory', path: link, config }, { as: 'mine:2' });
    expect(again.digest).toBe(image.digest);
  });

  it('needs a name, a folder, and a config that an image can have', async () => {
    await expect(world.store.import({ type: 'directory', path })).rejects.toMatchObject({ details: { field: 'as' } });
    const file = join(path, 'bin', 'app');
    await expect(world.store.import({ type: 'directory', path: file }, { as: 'a' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'path' },
    });
    const absent = join(path, 'absent');
    await expect(world.store.import({ type: 'directory', path: absent }, { as: 'a' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const config = { env: ['no-equals'] };
    await expect(world.store.import({ type: 'directory', path, config }, { as: 'a' })).rejects.toMatchObject({
      code: 'INVALID_DOCUMENT',
    });
    expect(await world.left()).toEqual([]);
  });

  it('leaves nothing when it is aborted', async () => {
    const signal = AbortSignal.abort(new Error('never mind'));
    const importing = world.store.import({ type: 'directory', path }, { as: 'a', signal });
    await expect(importing).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await world.store.get('a')).toBeUndefined();
  });
});
