import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { cacheFolder } from '../cache-folder.js';
import { type BuildOptions, buildInto } from '../image/build-image.js';
import { type BuiltImage, LayoutImage } from '../image/built-image.js';
import { blobPath } from '../image/layout.js';

type Parts = Pick<BuiltImage, 'manifest' | 'config' | 'layers'>;

/** The image that was built under the key, if all of it is there. */
export async function cachedImage(key: string): Promise<BuiltImage | undefined> {
  const folder = join(cacheFolder('images'), key);
  try {
    const parts: Parts = JSON.parse(await readFile(join(folder, 'image.json'), 'utf8'));
    for (const { digest, size } of [
      parts.manifest,
      parts.config,
      ...parts.layers.map(({ descriptor }) => descriptor),
    ]) {
      if ((await stat(blobPath(folder, digest))).size !== size) return undefined;
    }
    return new LayoutImage(parts, folder, true);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Builds the image and keeps it under the key; it appears there whole. */
export async function buildCached(key: string, options: BuildOptions): Promise<BuiltImage> {
  const images = cacheFolder('images');
  await mkdir(images, { recursive: true });
  const staging = await mkdtemp(join(images, 'build-'));
  try {
    const parts = await buildInto(staging, options);
    await writeFile(join(staging, 'image.json'), JSON.stringify(parts));
    const folder = join(images, key);
    await replace(staging, folder);
    return new LayoutImage(parts, folder, true);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Moves the folder to its place. One that is there was built at the same time by another process, or is damaged. */
async function replace(staging: string, folder: string): Promise<void> {
  try {
    await rename(staging, folder);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    await rename(folder, `${staging}-old`);
    await rename(staging, folder);
    await rm(`${staging}-old`, { recursive: true, force: true });
  }
}
