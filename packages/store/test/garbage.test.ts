import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore, type ImageStoreOptions } from '../src/index.js';
import { makeGate } from './gate.js';
import { readLayout } from './layout-check.js';
import { RegistryServer } from './registry-server.js';
import { archive, run } from './tar.js';
import { makeImage, makeIndex, type TestImage } from './test-image.js';

vi.setConfig({ testTimeout: 60_000 });

let root: string;
let server: RegistryServer;
let store: ImageStore;

function openStore(options: Partial<ImageStoreOptions> = {}): ImageStore {
  return createImageStore({ root, registry: createRegistryClient(), ...options });
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

async function blobNames(): Promise<string[]> {
  return (await readdir(join(store.layoutPath, 'blobs/sha256'))).map((name) => `sha256:${name}`).sort();
}

function blobsOf(...images: TestImage[]): string[] {
  const all = images.flatMap((image) => [
    ...image.blobs.keys(),
    ...image.manifests.map((one) => one.descriptor.digest),
  ]);
  return [...new Set(all)].sort();
}

function bytesOf(image: TestImage): number {
  const documents = image.manifests.map(({ descriptor }) => descriptor.size);
  return [...[...image.blobs.values()].map((blob) => blob.byteLength), ...documents].reduce((a, b) => a + b, 0);
}

/** The file that records a reference, told by its content. */
async function recordOf(reference: string): Promise<string> {
  for (const name of await readdir(join(root, 'references'))) {
    const path = join(root, 'references', name);
    if ((await readFile(path, 'utf8')).includes(`"${reference}"`)) return path;
  }
  throw new Error(`${reference} has no record`);
}

async function setAge(reference: string, ms: number): Promise<void> {
  const time = (Date.now() - ms) / 1000;
  await utimes(await recordOf(reference), time, time);
}

/** Folders in which nothing may be left. */
async function leftovers(): Promise<string[]> {
  const all: string[] = [];
  for (const folder of ['ingest', 'collectors', 'staging', 'holds']) {
    try {
      all.push(...(await readdir(join(root, folder))).map((name) => join(folder, name)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return all;
}

describe('garbage collection', () => {
  it('removes everything that is not needed, and tells what', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    await store.pull(reference);
    const report = await store.collectGarbage();
    expect(report).toEqual({ references: [reference], blobs: 5, layers: 0, bytes: bytesOf(image) });
    expect(await store.get(reference)).toBeUndefined();
    expect(await blobNames()).toEqual([]);
    expect(await readLayout(store.layoutPath)).toEqual(new Map());
    expect(await leftovers()).toEqual([]);
    expect((await store.pull(reference)).cached).toBe(false);
  });

  it('of a store that was never used does nothing', async () => {
    expect(await store.collectGarbage({ dryRun: true, untilFreeBytes: 2 ** 60 })).toMatchObject({ blobs: 0 });
    expect(await readdir(root)).toEqual([]);
    expect(await store.collectGarbage()).toEqual({ references: [], blobs: 0, layers: 0, bytes: 0 });
    expect(await store.collectGarbage({ untilFreeBytes: 1 })).toMatchObject({ blobs: 0 });
  });

  it('removes what only a removed reference led to, and keeps what images share', async () => {
    const [shared, own, other] = [1, 2, 3].map((seed) => Buffer.alloc(1000, seed)) as [Buffer, Buffer, Buffer];
    const [first, second] = [makeImage({ layers: [shared, own] }), makeImage({ layers: [shared, other] })];
    const gone = server.add('library/first', '1', first);
    const stays = server.add('library/second', '1', second);
    await store.pull(gone);
    await store.pull(stays);
    expect(await store.remove(gone)).toBe(true);
    expect(await store.remove(gone)).toBe(false);
    expect(await store.get(gone)).toBeUndefined();
    const report = await store.collectGarbage({ exclude: [stays] });
    expect(report).toMatchObject({ references: [], blobs: 3 });
    expect(await blobNames()).toEqual(blobsOf(second));
    expect((await store.pull(stays)).cached).toBe(true);
  });

  it('keeps every platform of an index that was pulled, and the index', async () => {
    const platforms = [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 's390x' },
      { os: 'linux', architecture: 'riscv64' },
    ];
    const images = platforms.map((platform) => makeImage({ platform }));
    const index = makeIndex(platforms, images);
    const reference = server.add('multi', '1', index);
    for (const platform of platforms.slice(0, 2)) await store.pull(reference, { platform });
    expect(await store.collectGarbage({ exclude: [reference] })).toMatchObject({ references: [], blobs: 0 });
    for (const platform of platforms.slice(0, 2)) {
      expect((await store.pull(reference, { platform })).cached).toBe(true);
    }
  });

  it('keeps leased images with their references, in any store, until the lease is released', async () => {
    const [one, two] = [makeImage(), makeImage()];
    const leased = server.add('library/one', '1', one);
    const other = server.add('library/two', '1', two);
    await store.lease('container/1', [await store.pull(leased)]);
    await store.pull(other);
    expect((await openStore().collectGarbage()).references).toEqual([other]);
    expect((await store.pull(leased)).cached).toBe(true);
    expect(await store.remove(leased)).toBe(true);
    expect(await openStore({ unpackHoldMs: 0 }).collectGarbage()).toMatchObject({ blobs: 0 });
    expect(await blobNames()).toEqual(blobsOf(one));
    await store.release('container/1');
  });

  it('keeps what is excluded, by any spelling, and what was used of late', async () => {
    const [excluded, used, old] = ['a', 'b', 'c'].map((tag) => server.add('library/app', tag, makeImage())) as [
      string,
      string,
      string,
    ];
    for (const reference of [excluded, used, old]) await store.pull(reference);
    for (const reference of [excluded, used, old]) await setAge(reference, 3_600_000);
    // Another store has not recorded a use of it yet.
    await openStore().pull(used);
    const options = { olderThanMs: 600_000, exclude: [excluded] };
    expect(await store.collectGarbage({ ...options, dryRun: true })).toMatchObject({ references: [old], blobs: 5 });
    expect(await store.get(old)).toBeDefined();
    expect((await store.collectGarbage(options)).references).toEqual([old]);
    await expect(store.collectGarbage({ exclude: ['UPPER'] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('records a use at most once a minute', async () => {
    const reference = server.add('library/app', '1', makeImage());
    await store.pull(reference);
    await setAge(reference, 3_600_000);
    const { mtimeMs } = await stat(await recordOf(reference));
    await store.pull(reference);
    const touched = (await stat(await recordOf(reference))).mtimeMs;
    expect(touched).toBeGreaterThan(mtimeMs);
    await setAge(reference, 3_600_000);
    await store.pull(reference);
    expect((await stat(await recordOf(reference))).mtimeMs).toBeLessThan(touched);
  });

  it('leaves the blobs of a pull alone that is under way, also where nothing refers to them yet', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    const gate = makeGate();
    // The last blob waits; by then the others are on disk, as the config and two layers go before it.
    server.onBlob = (digest) => (digest === image.layers[2] ? gate.pass() : undefined);
    const pull = openStore({ maxConcurrentDownloads: 1 }).pull(reference);
    await gate.reached;
    const before = await blobNames();
    expect(before.length).toBeGreaterThanOrEqual(3);
    expect(await store.collectGarbage()).toMatchObject({ blobs: 0 });
    expect(await blobNames()).toEqual(before);
    gate.open();
    await pull;
    expect((await openStore().pull(reference)).cached).toBe(true);
  });

  it('removes the blobs that an aborted pull has left', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    const gate = makeGate();
    server.onBlob = (digest) => (digest === image.layers[2] ? gate.pass() : undefined);
    const controller = new AbortController();
    const pull = openStore({ maxConcurrentDownloads: 1 }).pull(reference, { signal: controller.signal });
    const settled = Promise.allSettled([pull]);
    await gate.reached;
    controller.abort();
    await settled;
    gate.open();
    expect((await store.collectGarbage()).blobs).toBeGreaterThanOrEqual(3);
    expect(await blobNames()).toEqual([]);
    expect(await leftovers()).toEqual([]);
  });

  it('keeps a reference that is being pulled again', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    await store.pull(reference);
    const young = makeImage();
    server.add('library/app', '1', young);
    const gate = makeGate();
    server.onBlob = gate.pass;
    const pull = store.pull(reference, { force: true });
    await gate.reached;
    expect(await openStore().collectGarbage()).toMatchObject({ references: [], blobs: 0 });
    expect((await openStore().get(reference))?.digest).toBe(image.top.descriptor.digest);
    gate.open();
    await pull;
    expect(await openStore().collectGarbage({ exclude: [reference] })).toMatchObject({ references: [], blobs: 5 });
    expect(await blobNames()).toEqual(blobsOf(young));
  });

  it('is aborted with the signal', async () => {
    await expect(store.collectGarbage({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('ends the holds of processes that are gone, and minds those it knows nothing of', async () => {
    const reference = server.add('library/app', '1', makeImage());
    await store.pull(reference);
    await mkdir(join(root, 'holds'), { recursive: true });
    const [foreign] = ['0123456789ab-1-5-0123456789abcdef'];
    await writeFile(join(root, 'holds', foreign), `reference ${reference}\n`);
    expect(await store.collectGarbage()).toMatchObject({ references: [] });
    const longAgo = Date.now() / 1000 - 25 * 60 * 60;
    await utimes(join(root, 'holds', foreign), longAgo, longAgo);
    expect(await store.collectGarbage()).toMatchObject({ references: [reference] });
  });
});

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('garbage collection of unpacked layers (needs root to unpack)', () => {
  async function pullApp(name: string, ...layers: Buffer[]) {
    const reference = server.add(`library/${name}`, '1', makeImage({ layers }));
    return store.pull(reference);
  }

  async function trees(): Promise<string[]> {
    return (await readdir(join(root, 'layers'), { recursive: true })).filter((path) => path.endsWith('/diff'));
  }

  it('keeps those that an image shares and removes the others', async () => {
    store = openStore({ unpackHoldMs: 0 });
    const base = await archive('echo base > base');
    const one = await pullApp('one', base, await archive('head -c 1000 /dev/zero > one'));
    const two = await pullApp('two', base, await archive('echo two > two'));
    const [shared, own] = (await store.unpack(one)).layerPaths;
    const [, kept] = (await store.unpack(two)).layerPaths;
    await store.remove(one.reference);
    const report = await store.collectGarbage({ exclude: [two.reference] });
    expect(report).toMatchObject({ references: [], layers: 1 });
    expect(report.bytes).toBeGreaterThan(1000);
    const there = (await trees()).map((path) => join(root, 'layers', path));
    expect(there.sort()).toEqual([shared, kept].sort());
    expect(there).not.toContain(own);
  });

  it('leaves those alone that were unpacked a moment ago, so that they can be mounted', async () => {
    const image = await pullApp('app', await archive('echo x > x'));
    const { layerPaths } = await store.unpack(image);
    await store.remove(image.reference);
    expect(await openStore().collectGarbage()).toMatchObject({ layers: 0, blobs: 0 });
    expect((await stat(join(layerPaths[0] ?? '', 'x'))).size).toBe(2);
  });

  it('minds who has unpacked without a lease when another releases his', async () => {
    const image = await pullApp('app', await archive('echo x > x'));
    await store.unpack(image);
    await store.lease('other', [image]);
    await store.unpack(image);
    await store.release('other');
    await store.remove(image.reference);
    expect(await store.collectGarbage()).toMatchObject({ layers: 0, blobs: 0 });
  });

  it('waits for no mount, and but a moment, where the lease of the one who unpacked is released', async () => {
    const image = await pullApp('app', await archive('echo x > x'));
    await store.lease('mine', [image]);
    await store.unpack(image);
    await store.release('mine');
    await store.remove(image.reference);
    await expect.poll(() => store.collectGarbage(), { timeout: 4000 }).toMatchObject({ layers: 1, blobs: 3 });
  });

  it('leaves those of a leased image alone', async () => {
    store = openStore({ unpackHoldMs: 0 });
    const image = await pullApp('app', await archive('echo x > x'));
    await store.lease('c', [image]);
    await store.unpack(image);
    await store.remove(image.reference);
    expect(await store.collectGarbage()).toMatchObject({ layers: 0, blobs: 0 });
    await store.release('c');
    expect(await store.collectGarbage()).toMatchObject({ layers: 1, blobs: 3 });
    expect(await trees()).toEqual([]);
    expect(await leftovers()).toEqual([]);
  });
});

describe.skipIf(!isRoot)('garbage collection by disk pressure (needs root to mount a file system)', () => {
  it('removes the images used longest ago until there is space, and none when there is', async () => {
    const mountPoint = root;
    run('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', mountPoint]);
    try {
      const references = ['a', 'b', 'c', 'd'].map((tag) => server.add('library/app', tag, makeImage()));
      for (const reference of references) await store.pull(reference);
      const [a = '', b = '', c = '', d = ''] = references;
      await setAge(b, 40_000_000);
      await setAge(d, 30_000_000);
      await setAge(a, 20_000_000);
      await setAge(c, 10_000_000);
      const free = () => Number(run('stat', ['-f', '-c', '%a', mountPoint])) * 4096;
      expect(await store.collectGarbage({ untilFreeBytes: free() - 8192 })).toMatchObject({ references: [], blobs: 0 });
      const report = await store.collectGarbage({ untilFreeBytes: free() + 500_000 });
      expect(report.references).toEqual([b, d]);
      expect(report.bytes).toBeGreaterThan(500_000);
      // Also where nothing can be written any more: by then the index is larger than what a reference leaves.
      const tags = Array.from({ length: 60 }, (_, position) => `docker.io/library/tag:${position}`);
      for (const tag of tags) await store.tag(c, tag);
      spawnSync('dd', ['if=/dev/zero', `of=${join(mountPoint, 'full')}`, 'bs=4096']);
      expect(free()).toBe(0);
      const rest = await store.collectGarbage({ untilFreeBytes: 2 ** 40, exclude: [c, ...tags] });
      expect(rest.references).toEqual([a]);
      expect([...(await readLayout(store.layoutPath)).keys()].sort()).toEqual([c, ...tags].sort());
    } finally {
      spawnSync('umount', [mountPoint]);
    }
  });
});
