import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MediaType, sha256 } from '@gantry/image-spec';
import type { ImageStore, ProgressEvent } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { startRegistry } from '@gantry/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { makeGate } from './gate.js';
import { RegistryServer } from './registry-server.js';
import { serveImage } from './serve-image.js';
import { archive } from './tar.js';
import { makeImage } from './test-image.js';

vi.setConfig({ testTimeout: 60_000 });

let root: string;
let server: RegistryServer;
let store: ImageStore;

function openStore(): ImageStore {
  return createImageStore({ root, registry: createRegistryClient({ retries: { baseMs: 1, capMs: 5 } }) });
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

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(join(root, folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** What could be taken for an unpacked layer. */
async function visibleTrees(): Promise<string[]> {
  const boots = await names('layers');
  return (await Promise.all(boots.map((boot) => names(join('layers', boot))))).flat();
}

/** What lies in the folder of layers being unpacked. */
async function unfinished(): Promise<string[]> {
  return readdir(join(root, 'staging'), { recursive: true });
}

async function expectNothingOf(reference: string): Promise<void> {
  expect(await visibleTrees()).toEqual([]);
  for (const folder of ['staging', 'ingest', 'holds']) expect(await names(folder)).toEqual([]);
  expect(await openStore().get(reference)).toBeUndefined();
}

const large = () => archive('head -c 9000000 /dev/urandom > large; echo end > small');

describe.skipIf(process.getuid?.() !== 0)('a pull that unpacks (needs root to unpack)', () => {
  it('leaves nothing to do for the unpack that follows, layers that an image has twice included', async () => {
    const [one, two] = await Promise.all([archive('echo one > one'), archive('echo two > two')]);
    const image = await store.pull(server.add('library/app', '1', makeImage({ layers: [one, two, one] })), {
      unpack: true,
    });
    const events: ProgressEvent[] = [];
    const { layerPaths } = await store.unpack(image, { onProgress: (event) => events.push(event) });
    expect(events).toEqual(
      image.layers.map((layer) => ({ type: 'unpacked', digest: layer.descriptor.digest, cached: true })),
    );
    expect(await Promise.all(layerPaths.map((path) => readdir(path)))).toEqual([['one'], ['two'], ['one']]);
    expect(await names('staging')).toEqual([]);
    expect((await store.pull(image.reference, { unpack: true })).cached).toBe(true);
  });

  it('unpacks while the layer is coming, and shows nothing of it before all of it is verified', async () => {
    const reference = server.add('library/app', '1', makeImage({ layers: [await large()] }));
    server.firstBytes = 5_000_000;
    const gate = makeGate();
    server.onRest = gate.pass;
    const events: ProgressEvent[] = [];
    const pull = store.pull(reference, { unpack: true, onProgress: (event) => events.push(event) });
    // The rest of the layer is not sent before some of it has been unpacked.
    await gate.reached;
    await vi.waitUntil(async () => (await unfinished()).some((path) => path.endsWith('/diff/large')), 30_000);
    expect(await visibleTrees()).toEqual([]);
    gate.open();
    const image = await pull;
    expect(events.at(-1)).toMatchObject({ type: 'unpacked', cached: false });
    const [path = ''] = (await store.unpack(image)).layerPaths;
    expect((await stat(join(path, 'large'))).size).toBe(9_000_000);
    expect(await readFile(join(path, 'small'), 'utf8')).toBe('end\n');
  });

  it.each([MediaType.ociForeignLayerGzip, MediaType.dockerForeignLayerGzip])(
    'takes layers that are not for everybody, %s, from the registry that was asked',
    async (layerType) => {
      const docker = layerType === MediaType.dockerForeignLayerGzip;
      const urls = [`http://${server.host}/elsewhere`];
      const image = makeImage({ layers: [await archive('printf text > licensed')], layerType, docker, urls });
      const unpacked = await store.unpack(await store.pull(server.add('library/app', '1', image), { unpack: true }));
      expect(await readFile(join(unpacked.layerPaths[0] ?? '', 'licensed'), 'utf8')).toBe('text');
      expect(unpacked.layers[0]?.descriptor.mediaType).toBe(layerType);
      expect([...server.gets.keys()]).not.toContain('/elsewhere');
    },
  );

  it('unpacks what was pulled without', async () => {
    const reference = server.add('library/app', '1', makeImage({ layers: [await archive('echo x > x')] }));
    await store.pull(reference);
    expect(await visibleTrees()).toEqual([]);
    expect((await store.pull(reference, { unpack: true })).cached).toBe(true);
    expect(await visibleTrees()).toHaveLength(1);
  });

  it('goes on where a connection broke', async () => {
    await using registry = await startRegistry();
    const served = makeImage({ layers: [await large()] });
    const reference = await serveImage(registry, 'library/app', served);
    const path = new RegExp(`/blobs/${served.layers[0]}$`);
    using fault = registry.fault({ path, times: 2 }, { type: 'reset', afterBytes: 3_000_000 });
    const image = await store.pull(reference, { unpack: true });
    expect(fault.hits).toBe(2);
    const [tree = ''] = (await store.unpack(image)).layerPaths;
    expect((await stat(join(tree, 'large'))).size).toBe(9_000_000);
    expect(await names('staging')).toEqual([]);
  });

  it('fails, with nothing left, where the layer is not what its digest says', async () => {
    const image = makeImage({ layers: [await large()] });
    const reference = server.add('library/app', '1', image);
    const digest = image.layers[0] ?? image.top.descriptor.digest;
    const good = image.blobs.get(digest) ?? new Uint8Array();
    // The last byte: all that comes before it has been unpacked by then.
    server.replaceBlob('library/app', digest, Buffer.concat([good.subarray(0, -1), Buffer.from([1])]));
    await expect(store.pull(reference, { unpack: true })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await expectNothingOf(reference);
  });

  it('fails, with nothing left, where the archive is not what the config says', async () => {
    const image = makeImage({ layers: [await archive('echo x > x')], diffIds: [sha256(randomBytes(10))] });
    const reference = server.add('library/app', '1', image);
    await expect(store.pull(reference, { unpack: true })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await expectNothingOf(reference);
  });

  it('fails, with nothing left, where a layer is no archive', async () => {
    const reference = server.add('library/app', '1', makeImage({ layers: [randomBytes(3_000_000)] }));
    await expect(store.pull(reference, { unpack: true })).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    await expectNothingOf(reference);
  });

  it('ends with the signal while a layer is coming and being unpacked', async () => {
    const reference = server.add('library/app', '1', makeImage({ layers: [await large()] }));
    server.firstBytes = 5_000_000;
    server.onRest = () => new Promise(() => undefined);
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent) => {
      if (event.type === 'unpacking') controller.abort();
    };
    const pull = store.pull(reference, { unpack: true, signal: controller.signal, onProgress });
    await expect(pull).rejects.toMatchObject({ code: 'ABORTED' });
    await expectNothingOf(reference);
  });

  it('shares what another pull of the layer does, unpacking or not', async () => {
    const layers = [await large()];
    const references = ['a', 'b', 'c'].map((tag) => server.add('library/app', tag, makeImage({ layers })));
    const pulls = references.map((reference, position) => store.pull(reference, { unpack: position !== 1 }));
    const images = await Promise.all(pulls);
    const layerGets = [...server.gets].filter(([path]) => path.endsWith(images[0]?.layers[0]?.descriptor.digest ?? ''));
    expect(layerGets.map(([, count]) => count)).toEqual([1]);
    expect(await visibleTrees()).toHaveLength(1);
    expect(await names('staging')).toEqual([]);
  });
});
