// Does the parts of a pull one after the other, each alone and for all layers at once, and prints what each took.
//   parts-program.mjs ROOT REFERENCE
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { applyLayer } from '@gantry/archive';
import { digestHex, parseReference } from '@gantry/image-spec';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';

const [root = '', reference = ''] = process.argv.slice(2);
const registry = createRegistryClient();
const store = createImageStore({ root: join(root, 'store'), registry });

/** @type {{ name: string, seconds: number, cpu: number }[]} */
const parts = [];

/**
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 */
async function part(name, work) {
  const usage = process.cpuUsage();
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(usage);
  parts.push({ name, seconds, cpu: (user + system) / 1e6 });
  return result;
}

/** @param {AsyncIterable<Uint8Array>} stream */
async function drain(stream) {
  for await (const _ of stream);
}

/** @param {string} path */
async function hash(path) {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) digest.update(chunk);
}

// The manifest says what there is to download; this pull is not measured.
const image = await store.pull(reference);
const layers = image.layers.map((layer, index) => ({
  ...layer,
  blob: join(store.layoutPath, 'blobs/sha256', digestHex(layer.descriptor.digest)),
  plain: join(root, `${index}.tar`),
  target: join(root, `${index}`),
}));
for (const { blob, plain, target } of layers) {
  await pipeline(createReadStream(blob), createGunzip(), createWriteStream(plain));
  await mkdir(target, { mode: 0o700 });
}

await part('download and verify, keep nothing', () =>
  Promise.all(
    layers.map(({ descriptor }) => {
      const blob = registry.getBlob(parseReference(reference), descriptor);
      return drain(blob.lent?.() ?? blob);
    }),
  ),
);
await part('hash the blobs', () => Promise.all(layers.map(({ blob }) => hash(blob))));
await part('hash the archives', () => Promise.all(layers.map(({ plain }) => hash(plain))));
await part('pull: download, verify, write, flush', () =>
  createImageStore({ root: join(root, 'other'), registry }).pull(reference),
);
await part('unpack archives that are not compressed', () =>
  Promise.all(
    layers.map(({ plain, diffId, target }) => {
      const mediaType = 'application/vnd.oci.image.layer.v1.tar';
      return applyLayer({ blobPath: plain, mediaType, diffId, target });
    }),
  ),
);
await part('unpack: inflate, hash, write', () => store.unpack(image));
console.log(JSON.stringify(parts));
