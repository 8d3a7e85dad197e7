import { mkdtemp, readdir, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { collect } from './collect.js';
import { RegistryServer } from './registry-server.js';
import { makeImage } from './test-image.js';

vi.setConfig({ testTimeout: 60_000 });

let root: string;
let server: RegistryServer;
let store: ImageStore;

function openStore(): ImageStore {
  return createImageStore({ root, registry: createRegistryClient() });
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  server = await RegistryServer.start();
  store = openStore();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

describe('leases', () => {
  it('outlive the store that took them, and are listed until they are released', async () => {
    const one = await store.pull(server.add('library/one', '1', makeImage()));
    const two = await store.pull(server.add('library/two', '1', makeImage()));
    const before = Date.now();
    await store.lease('container/web-1', [one, two]);
    await store.lease('a', [two]);
    const listed = await collect(openStore().leases());
    expect(listed.map(({ id, images }) => ({ id, images }))).toEqual([
      { id: 'a', images: [two.digest] },
      { id: 'container/web-1', images: [one.digest, two.digest] },
    ]);
    for (const { time } of listed) expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
    expect(await openStore().release('container/web-1')).toBe(true);
    expect(await store.release('container/web-1')).toBe(false);
    expect((await collect(store.leases())).map(({ id }) => id)).toEqual(['a']);
  });

  it('are replaced by a later one of the same id', async () => {
    const one = await store.pull(server.add('library/one', '1', makeImage()));
    const two = await store.pull(server.add('library/two', '1', makeImage()));
    await store.lease('x', [one]);
    await store.lease('x', [two]);
    expect((await collect(store.leases())).map(({ images }) => images)).toEqual([[two.digest]]);
    expect(await readdir(join(root, 'leases'))).toHaveLength(1);
  });

  it.each(['manifest', 'config', 'layer', 'cut layer'])('are refused for an image without its %s', async (part) => {
    const image = await store.pull(server.add('library/app', '1', makeImage()));
    const layer = image.layers[1]?.descriptor ?? image.manifest;
    const { digest } = part === 'manifest' ? image.manifest : part === 'config' ? image.configDescriptor : layer;
    const path = join(store.layoutPath, 'blobs', ...digest.split(':'));
    await (part === 'cut layer' ? truncate(path, 5) : unlink(path));
    await expect(store.lease('x', [image])).rejects.toMatchObject({ code: 'NOT_FOUND', details: { digest } });
    expect(await collect(store.leases())).toEqual([]);
  });

  it.each(['', ' ', 'a b', 'ä', 'x'.repeat(256), 'a\n'])('are refused for the id %j', async (id) => {
    await expect(store.lease(id, [])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'id' } });
    await expect(store.release(id)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('that cannot be read stop garbage collection, with the file to look at', async () => {
    const reference = server.add('library/app', '1', makeImage());
    await store.lease('x', [await store.pull(reference)]);
    const [name = ''] = await readdir(join(root, 'leases'));
    const path = join(root, 'leases', name);
    await writeFile(path, '{"version":1,"id":"x","images":[');
    await expect(store.collectGarbage()).rejects.toMatchObject({ code: 'CORRUPT_STATE', details: { path } });
    expect(await store.get(reference)).toBeDefined();
    expect(await store.release('x')).toBe(true);
    const collected = async () => (await store.collectGarbage()).references;
    await expect.poll(collected, { timeout: 4000 }).toEqual([reference]);
  });
});
