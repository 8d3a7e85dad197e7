import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRegistryClient } from '@gantry/registry-client';
import { cacheFolder, pushImage } from '@gantry/testkit';
import { runOrThrow } from '../../../scripts/lib/run.mjs';
import { serveRegistry } from '../../support/registry-server.mjs';
import { smallImage } from './small-image.mjs';

const script = fileURLToPath(new URL('build-image.sh', import.meta.url));

/** Repositories and tags of what is pulled. */
export const images = {
  debian: 'bench/debian:1',
  small: Array.from({ length: 20 }, (_, index) => `bench/small-${index}:1`),
};

/**
 * A folder of docker-registry with the images. They are built the first time, in minutes, and kept in the cache folder;
 * a changed recipe makes others.
 * @returns {Promise<string>}
 */
export async function registryContent() {
  const recipe = [await readFile(script), JSON.stringify(images), process.arch];
  const hash = createHash('sha256');
  for (const part of recipe) hash.update(part);
  const cache = cacheFolder('bench');
  const content = join(cache, hash.digest('hex').slice(0, 16));
  if (!existsSync(content)) await build(cache, content);
  // Whoever is first would else wait for a disk.
  await runOrThrow('sh', ['-c', 'find "$0" -type f -exec cat {} + > /dev/null', content]);
  return content;
}

/**
 * @param {string} cache
 * @param {string} content Appears whole.
 */
async function build(cache, content) {
  await mkdir(cache, { recursive: true });
  const staging = await mkdtemp(join(cache, 'build-'));
  try {
    await fill(join(staging, 'content'), staging);
    await rename(join(staging, 'content'), content);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/**
 * @param {string} content
 * @param {string} scratch
 */
async function fill(content, scratch) {
  const built = join(scratch, 'image');
  await mkdir(content);
  const registry = await serveRegistry(content);
  try {
    const own = ['--mount', '--propagation', 'private'];
    await runOrThrow('nice', ['unshare', ...own, 'sh', script, scratch, built]);
    const target = `docker://${registry.address}/${images.debian}`;
    await runOrThrow('skopeo', ['copy', '--quiet', '--dest-tls-verify=false', `dir:${built}`, target]);
    const client = createRegistryClient();
    for (const [index, name] of images.small.entries()) {
      const image = await smallImage(index);
      await pushImage(image, client, `${registry.address}/${name}`);
      await image[Symbol.asyncDispose]();
    }
  } finally {
    await registry[Symbol.asyncDispose]();
  }
}
