import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { startRegistry } from '@gantry/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { readLayout } from './layout-check.js';
import { RegistryServer } from './registry-server.js';
import { serveImage } from './serve-image.js';
import { makeImage, makeIndex } from './test-image.js';

vi.setConfig({ testTimeout: 60_000 });

let root: string;
let server: RegistryServer;
let store: ImageStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  server = await RegistryServer.start();
  store = createImageStore({ root, registry: createRegistryClient() });
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

describe('tag', () => {
  it('gives an image another name, which stays when the first goes', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    await store.pull(reference);
    await store.tag(reference, 'mine:latest');
    expect(await store.remove(reference)).toBe(true);
    await store.collectGarbage({ exclude: ['mine'] });
    const tagged = await store.get('docker.io/library/mine');
    expect(tagged).toMatchObject({ reference: 'docker.io/library/mine:latest', digest: image.top.descriptor.digest });
    expect([...(await readLayout(store.layoutPath)).keys()]).toEqual(['docker.io/library/mine:latest']);
    expect((await store.pull('mine')).cached).toBe(true);
  });

  it('takes all platforms of an index with it', async () => {
    const platforms = ['amd64', 's390x'].map((architecture) => ({ os: 'linux', architecture }));
    const index = makeIndex(
      platforms,
      platforms.map((platform) => makeImage({ platform })),
    );
    const reference = server.add('multi', '1', index);
    for (const platform of platforms) await store.pull(reference, { platform });
    await store.tag(reference, 'mine');
    for (const platform of platforms) expect(await store.get('mine', { platform })).toBeDefined();
  });

  it('is refused for an image that is not there, and for a digest that is another', async () => {
    await expect(store.tag('nothing', 'mine')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const reference = server.add('library/app', '1', makeImage());
    await store.pull(reference);
    const other = makeImage().top.descriptor.digest;
    await expect(store.tag(reference, `mine@${other}`)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(store.tag(reference, 'UPPER')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await store.get('mine')).toBeUndefined();
  });
});

describe('export', () => {
  it('of an image that is not there is refused', async () => {
    const items = store.export('nothing', { format: 'oci-archive' });
    await expect(items[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a private image that is cached', () => {
  const login = { username: 'someone', password: 'secret' };

  it('is given, when asked so, only to who could pull it', async () => {
    await using registry = await startRegistry({ auth: { basic: login } });
    const reference = await serveImage(registry, 'library/private', makeImage());
    const first = await store.pull(reference, { credentials: login });
    const blobs = () => registry.requests.filter(({ path }) => path.includes('/blobs/')).length;
    const before = blobs();
    const checked = await store.pull(reference, { credentials: login, checkAccess: true });
    expect(checked).toEqual({ ...first, cached: true });
    for (const credentials of [undefined, { ...login, password: 'wrong' }]) {
      const pull = store.pull(reference, { checkAccess: true, ...(credentials && { credentials }) });
      await expect(pull).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    }
    expect(blobs()).toBe(before);
    expect((await store.pull(reference)).cached).toBe(true);
  });

  it('is asked for once for many with the same login, and each gets the answer of his own', async () => {
    await using registry = await startRegistry({ auth: { basic: login } });
    const reference = await serveImage(registry, 'library/private', makeImage());
    await store.pull(reference, { credentials: login });
    const before = registry.requests.length;
    const good = Array.from({ length: 20 }, () => store.pull(reference, { credentials: login, checkAccess: true }));
    const wrong = { ...login, password: 'wrong' };
    const bad = Array.from({ length: 20 }, () => store.pull(reference, { credentials: wrong, checkAccess: true }));
    const results = await Promise.allSettled([...good, ...bad]);
    expect(results.map(({ status }) => status)).toEqual([...good.map(() => 'fulfilled'), ...bad.map(() => 'rejected')]);
    expect(registry.requests.length - before).toBeLessThanOrEqual(8);
  });

  it('is not given once the registry has it no more', async () => {
    const reference = server.add('library/app', '1', makeImage());
    await store.pull(reference);
    server.remove('library/app', '1');
    await expect(store.pull(reference, { checkAccess: true })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
