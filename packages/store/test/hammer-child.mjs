// Works on a store that others work on as well, until the first line of its input, or its end:
//   node hammer-child.mjs use <root> <unpack|read> <reference>...     pulls, leases, reads and releases images
//   node hammer-child.mjs collect <root> <unpack|read> <reference>... removes references and collects garbage
// Says `ready` after its first round and, in its last line, `done <rounds>`. Ends with status 1 at the first promise broken.
import { lstatSync } from 'node:fs';
import { isGantryError } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';

const [role, root = '', how, ...references] = process.argv.slice(2);
const store = createImageStore({ root, registry: createRegistryClient(), unpackHoldMs: 50 });
let goesOn = true;
for (const event of ['data', 'end']) {
  process.stdin.once(event, () => {
    goesOn = false;
  });
}

/** @template T @param {readonly T[]} items @returns {T} */
const anyOf = (items) => /** @type {T} */ (items[Math.floor(Math.random() * items.length)]);

/** @param {import('@gantry/interface').Image} image */
async function readThrough(image) {
  for (const { digest } of [image.manifest, image.configDescriptor, ...image.layers.map((layer) => layer.descriptor)]) {
    for await (const _ of store.readBlob(digest));
  }
}

async function use() {
  const unpack = how === 'unpack' && Math.random() < 0.5;
  const image = await store.pull(anyOf(references), { unpack, force: Math.random() < 0.2 });
  const id = `child/${process.pid}`;
  try {
    await store.lease(id, [image]);
  } catch (error) {
    // Nothing keeps an image between its pull and its lease.
    if (isGantryError(error, 'NOT_FOUND')) return false;
    throw error;
  }
  await readThrough(image);
  if (how === 'unpack') {
    const { layerPaths } = await store.unpack(image);
    for (let look = 0; look < 3; look++) {
      for (const path of layerPaths) lstatSync(`${path}/file`);
      await new Promise(setImmediate);
    }
  }
  await store.release(id);
  return true;
}

async function collect() {
  if (Math.random() < 0.3) await store.remove(anyOf(references));
  const { blobs } = await store.collectGarbage(Math.random() < 0.5 ? { exclude: [anyOf(references)] } : {});
  return blobs > 0;
}

let rounds = 0;
let tries = 0;
while (goesOn) {
  if (await (role === 'use' ? use() : collect())) rounds++;
  if (tries++ === 0) console.log('ready');
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
}
console.log(`done ${rounds}`);
process.exit(0);
