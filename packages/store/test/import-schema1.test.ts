import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { assembleImage, parseManifest, parseSchema1Manifest, sha256 } from '@gantry/image-spec';
import type { Descriptor } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BlobStore } from '../src/blob-store.js';
import { ensureFolder } from '../src/durable.js';
import { type StoreFolders, storeFolders } from '../src/folders.js';
import { convertSchema1 } from '../src/import/schema1.js';
import { layer } from './import-fixtures.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let folders: StoreFolders;
let blobs: BlobStore;
beforeEach(async () => {
  folders = storeFolders(await mkdtemp(join(tmpdir(), 'gantry-schema1-')));
  blobs = new BlobStore(folders);
  await ensureFolder(folders.ingest);
});
afterEach(() => rm(folders.root, { recursive: true }));

async function store(bytes: Uint8Array): Promise<Descriptor> {
  const descriptor = { mediaType: 'application/octet-stream', digest: sha256(bytes), size: bytes.byteLength };
  await blobs.prepare([descriptor]);
  await blobs.write(descriptor, [bytes]);
  return descriptor;
}

const ids = ['a', 'b', 'c'].map((digit) => digit.repeat(64));

/** Topmost first, as the registry gives it; the one in the middle changes no file. */
function schema1(layers: readonly Descriptor[], empty: Descriptor) {
  const [bottom, top] = layers;
  const history = [
    {
      id: ids[2],
      parent: ids[1],
      created: '2015-01-01T00:00:00Z',
      config: { Cmd: ['/bin/true'] },
      os: 'linux',
      architecture: 'amd64',
    },
    { id: ids[1], parent: ids[0], throwaway: true },
    { id: ids[0], created: '2014-01-01T00:00:00Z' },
  ];
  const document = {
    schemaVersion: 1,
    name: 'library/old',
    tag: '1',
    architecture: 'amd64',
    fsLayers: [top, empty, bottom].map((one) => ({ blobSum: one?.digest })),
    history: history.map((entry) => ({ v1Compatibility: JSON.stringify(entry) })),
  };
  return parseSchema1Manifest(Buffer.from(JSON.stringify(document)));
}

describe('a schema 1 image', () => {
  it('becomes an OCI manifest and config in the store, of what its layers turn out to be', async () => {
    const [lower, upper] = [await layer({ a: '1' }), await layer({ b: '2' })];
    const packed = [await store(gzipSync(lower)), await store(upper)];
    const empty = await store(gzipSync(Buffer.alloc(1024)));
    const { manifest, config } = await convertSchema1(schema1(packed, empty), packed, blobs);

    expect(Buffer.from((await blobs.readDocument(manifest.descriptor)) ?? [])).toEqual(Buffer.from(manifest.bytes));
    const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
    if (parsed.kind === 'index') throw new Error('not a manifest');
    const image = assembleImage({
      reference: 'docker.io/library/old:1',
      manifest: manifest.descriptor,
      parsed: parsed.manifest,
      configBytes: (await blobs.readDocument(config.descriptor)) ?? Buffer.alloc(0),
    });
    expect(image.layers.map((one) => [one.descriptor.mediaType, one.descriptor.digest, one.diffId])).toEqual([
      ['application/vnd.oci.image.layer.v1.tar+gzip', packed[0]?.digest, sha256(lower)],
      ['application/vnd.oci.image.layer.v1.tar', packed[1]?.digest, sha256(upper)],
    ]);
    expect(image.config.cmd).toEqual(['/bin/true']);
    const again = await convertSchema1(schema1(packed, empty), packed, blobs);
    expect(again.manifest.descriptor).toEqual(manifest.descriptor);
  });

  it('fails if a layer cannot be decompressed, or is not there', async () => {
    const packed = [
      await store(gzipSync(await layer({ a: '1' }))),
      await store(Buffer.concat([gzipSync('x'), Buffer.from('garbage')])),
    ];
    const manifest = schema1(packed, packed[0] as Descriptor);
    await expect(convertSchema1(manifest, packed, blobs)).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    const absent = { mediaType: 'x/y', digest: sha256(Buffer.from('absent')), size: 6 };
    await expect(convertSchema1(manifest, [absent, absent], blobs)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
