import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { ImageStore, ProgressEvent } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { RegistryServer } from './registry-server.js';
import { archive, run } from './tar.js';
import { makeImage } from './test-image.js';

// Flushes to disk take what they take on a busy machine.
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

async function pullThree() {
  const layers = await Promise.all([
    archive(
      'mkdir etc opt; echo lowest > etc/passwd; echo gone > etc/group; echo one > opt/one; chmod 4755 etc/passwd',
    ),
    archive('mkdir etc opt; touch etc/.wh.group opt/.wh..wh..opq; echo two > opt/two'),
    archive('mkdir etc; echo top > etc/hosts'),
  ]);
  return store.pull(server.add('library/app', '1', makeImage({ layers })));
}

describe.skipIf(process.getuid?.() !== 0)('unpack (needs root: owners, device nodes, trusted attributes)', () => {
  it('gives layer folders that an overlay mount shows as the image', async () => {
    const image = await pullThree();
    const { layerPaths } = await store.unpack(image);
    expect(layerPaths).toHaveLength(3);
    const merged = join(root, 'merged');
    await mkdir(merged);
    const script = `mount -t overlay none -o ro,lowerdir=${[...layerPaths].reverse().join(':')} ${merged} && cd ${merged} &&
      find . -type f -exec sh -c 'echo "$1 $(cat $1)"' - {} \\; | sort && stat -c %a . etc/passwd`;
    expect(run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script]).toString()).toBe(
      ['./etc/hosts top', './etc/passwd lowest', './opt/two two', '755', '4755', ''].join('\n'),
    );
  });

  it('keeps everyone but root away from what is in the layers', async () => {
    const { layerPaths } = await store.unpack(await pullThree());
    const path = join(layerPaths[0] ?? '', 'etc/passwd');
    for (let folder = dirname(dirname(dirname(path))); folder !== root; folder = dirname(folder)) {
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    }
    const { status } = spawnSync('setpriv', ['--reuid=65534', '--clear-groups', 'cat', path]);
    expect(status).toBe(1);
  });

  it('unpacks a layer once for many callers, and not again', async () => {
    const image = await pullThree();
    const told = Array.from({ length: 20 }, (): ProgressEvent[] => []);
    const calls = told.map((events) => store.unpack(image, { onProgress: (event) => events.push(event) }));
    expect(new Set((await Promise.all(calls)).map(({ layerPaths }) => layerPaths.join())).size).toBe(1);
    const inodes = async () => readdir(join(root, 'layers'), { recursive: true });
    const before = await inodes();
    const events: ProgressEvent[] = [];
    await store.unpack(image, { onProgress: (event) => events.push(event) });
    expect(events).toEqual(
      image.layers.map((layer) => ({ type: 'unpacked', digest: layer.descriptor.digest, cached: true })),
    );
    expect(await inodes()).toEqual(before);
    expect(await readdir(join(root, 'staging'))).toEqual([]);
  });

  it('shares a folder with another store that unpacks at the same time', async () => {
    const image = await pullThree();
    const other = createImageStore({ root, registry: createRegistryClient() });
    const [mine, theirs] = await Promise.all([store.unpack(image), other.unpack(image)]);
    expect(mine).toEqual(theirs);
    expect(await readdir(join(root, 'staging'))).toEqual([]);
  });

  it('leaves nothing of a layer when it is aborted, and unpacks it later', async () => {
    const layers = [await archive('head -c 10000000 /dev/urandom > large')];
    const image = await store.pull(server.add('library/app', '1', makeImage({ layers })));
    const controller = new AbortController();
    const { signal } = controller;
    const onProgress = (event: ProgressEvent) => {
      if (event.type === 'unpacking') controller.abort();
    };
    await expect(store.unpack(image, { signal, onProgress })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await readdir(join(root, 'staging'))).toEqual([]);
    const [path = ''] = (await store.unpack(image)).layerPaths;
    expect((await stat(join(path, 'large'))).size).toBe(10_000_000);
  });

  it('does not let one caller who leaves take the layers from another', async () => {
    const layers = [await archive('head -c 10000000 /dev/urandom > large')];
    const image = await store.pull(server.add('library/app', '1', makeImage({ layers })));
    const controller = new AbortController();
    const { signal } = controller;
    const onProgress = (event: ProgressEvent) => {
      if (event.type === 'unpacking') controller.abort();
    };
    const [left, stayed] = await Promise.allSettled([store.unpack(image, { signal, onProgress }), store.unpack(image)]);
    expect(left).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } });
    expect(stayed).toMatchObject({ status: 'fulfilled', value: { layerPaths: [expect.any(String)] } });
  });

  it('discards a blob that was damaged on disk, and works after another pull', async () => {
    const image = await pullThree();
    const { digest, size } = image.layers[1]?.descriptor ?? image.manifest;
    await writeFile(join(store.layoutPath, 'blobs', ...digest.split(':')), Buffer.alloc(size));
    await expect(store.unpack(image)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', details: { digest } });
    await expect(store.unpack(image)).rejects.toMatchObject({ code: 'NOT_FOUND', details: { digest } });
    expect(await readdir(join(root, 'staging'))).toEqual([]);
    expect((await store.pull(image.reference)).cached).toBe(false);
    expect((await store.unpack(image)).layerPaths).toHaveLength(3);
  });

  it('does not trust what was unpacked before the machine restarted', async () => {
    const image = await pullThree();
    const { layerPaths } = await store.unpack(image);
    const boot = dirname(dirname(layerPaths[0] ?? ''));
    await truncate(join(layerPaths[0] ?? '', 'etc/passwd'), 0);
    await rename(boot, join(dirname(boot), '00000000'));

    const restarted = createImageStore({ root, registry: createRegistryClient() });
    expect((await restarted.unpack(image)).layerPaths).toEqual(layerPaths);
    expect((await stat(join(layerPaths[0] ?? '', 'etc/passwd'))).size).toBeGreaterThan(0);
    expect(await readdir(join(root, 'layers'))).toEqual([basename(boot)]);
    expect(await readdir(join(root, 'staging'))).toEqual([]);
  });
});
