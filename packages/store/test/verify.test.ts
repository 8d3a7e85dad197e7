import { chmod, mkdtemp, readdir, rm, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { collect } from './collect.js';
import { readLayout } from './layout-check.js';
import { RegistryServer } from './registry-server.js';
import { archive } from './tar.js';
import { makeImage } from './test-image.js';

vi.setConfig({ testTimeout: 60_000 });

let root: string;
let server: RegistryServer;
let store: ImageStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  server = await RegistryServer.start();
  store = createImageStore({ root, registry: createRegistryClient(), unpackHoldMs: 0 });
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

function blobPath(digest: string): string {
  return join(store.layoutPath, 'blobs', ...digest.split(':'));
}

describe('verification', () => {
  it('finds nothing in a sound store, and nothing in none', async () => {
    expect(await collect(store.verify())).toEqual([]);
    await store.pull(server.add('library/app', '1', makeImage()));
    expect(await collect(store.verify())).toEqual([]);
  });

  it.each(['overwritten', 'cut', 'replaced by a link'])(
    'removes a blob that was %s, and the next pull mends it',
    async (fault) => {
      const reference = server.add('library/app', '1', makeImage());
      const other = server.add('library/other', '1', makeImage());
      const image = await store.pull(reference);
      await store.pull(other);
      const { digest, size } = image.layers[1]?.descriptor ?? image.manifest;
      if (fault === 'overwritten') await writeFile(blobPath(digest), Buffer.alloc(size));
      else if (fault === 'cut') await truncate(blobPath(digest), size - 1);
      else {
        await unlink(blobPath(digest));
        await symlink('/etc/hostname', blobPath(digest));
      }
      const faults = await collect(store.verify());
      expect(faults).toEqual([
        { kind: 'blob', name: digest, reason: expect.any(String) },
        { kind: 'reference', name: reference, reason: expect.any(String) },
      ]);
      expect([...(await readLayout(store.layoutPath)).keys()]).toEqual([other]);
      const before = server.blobGets().length;
      expect((await store.pull(reference)).cached).toBe(false);
      expect(server.gets.get(`library/app/blobs/${digest}`)).toBe(2);
      expect(server.blobGets().length).toBe(before);
      expect(await collect(store.verify())).toEqual([]);
    },
  );

  it('removes a reference that cannot be read or whose image is lost', async () => {
    const [lost, torn] = ['lost', 'torn'].map((name) => server.add(`library/${name}`, '1', makeImage())) as [
      string,
      string,
    ];
    await store.pull(torn);
    const [name = ''] = await readdir(join(root, 'references'));
    const image = await store.pull(lost);
    await writeFile(join(root, 'references', name), '{');
    await unlink(blobPath(image.manifest.digest));
    expect(await collect(store.verify())).toEqual([
      { kind: 'reference', name, reason: expect.any(String) },
      { kind: 'reference', name: lost, reason: expect.any(String) },
    ]);
    expect(await readdir(join(root, 'references'))).toEqual([]);
    expect((await readLayout(store.layoutPath)).size).toBe(0);
  });

  it('ends with the signal', async () => {
    await store.pull(server.add('library/app', '1', makeImage()));
    await expect(collect(store.verify({ signal: AbortSignal.abort() }))).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe.skipIf(process.getuid?.() !== 0)('verification of unpacked layers (needs root to unpack)', () => {
  const changes: readonly (readonly [string, (tree: string) => Promise<unknown>])[] = [
    ['a file removed', (tree) => unlink(join(tree, 'etc/file'))],
    ['a file more', (tree) => writeFile(join(tree, 'etc/more'), '')],
    ['a file cut', (tree) => truncate(join(tree, 'etc/file'), 1)],
    ['other content, of the same size and time', (tree) => overwrite(join(tree, 'etc/file'))],
    ['another mode', (tree) => chmod(join(tree, 'etc/file'), 0o4755)],
    ['another time', (tree) => utimes(join(tree, 'etc/file'), 1, 1)],
    ['another link', (tree) => unlink(join(tree, 'link')).then(() => symlink('elsewhere', join(tree, 'link')))],
    ['no tree', (tree) => rm(tree, { recursive: true })],
    ['no record of what it was made from', (tree) => unlink(join(tree, '../layer.json'))],
  ];

  async function overwrite(path: string): Promise<void> {
    await writeFile(path, 'Content');
    await utimes(path, 1000, 1000);
  }

  async function unpacked() {
    const script =
      'mkdir etc; printf content > etc/file; ln etc/file hard; ln -s etc/file link; mkfifo fifo; touch -h -d @1000 *';
    const layers = [await archive(`${script}; touch -d @1000 etc/file etc .`), await archive('echo two > two')];
    const image = await store.pull(server.add('library/app', '1', makeImage({ layers })));
    return { image, ...(await store.unpack(image)) };
  }

  it('finds nothing where nothing has changed', async () => {
    await unpacked();
    expect(await collect(store.verify())).toEqual([]);
    expect(await readdir(join(root, 'staging'))).toEqual([]);
  });

  it.each(changes)('removes a tree with %s, and only that', async (_, change) => {
    const { image, layerPaths } = await unpacked();
    const [tree = ''] = layerPaths;
    await change(tree);
    expect(await collect(store.verify())).toEqual([
      { kind: 'layer', name: image.layers[0]?.chainId, reason: expect.any(String) },
    ]);
    expect(await collect(store.verify())).toEqual([]);
    expect((await store.unpack(image)).layerPaths).toEqual(layerPaths);
    expect(await readdir(tree)).toHaveLength(4);
    expect(await readdir(join(root, 'staging'))).toEqual([]);
  });

  it('tells of a damaged tree that is leased, and leaves it', async () => {
    const { image, layerPaths } = await unpacked();
    await store.lease('container', [image]);
    await unlink(join(layerPaths[0] ?? '', 'link'));
    expect(await collect(store.verify())).toMatchObject([{ kind: 'layer', reason: expect.stringContaining('in use') }]);
    expect(await readdir(layerPaths[0] ?? '')).toHaveLength(3);
  });
});
