import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { cacheFolder } from '../cache-folder.js';
import type { Apt } from './apt.js';
import { resolveClosure } from './closure.js';
import type { DebianLayerRecipe } from './layer-recipe.js';
import type { PackageRecord } from './package-record.js';

/** The packages of each layer of an image. */
export type Resolution = readonly (readonly PackageRecord[])[];

/** What these lists resolved the recipes to earlier. Asking apt takes seconds, this takes none. */
export async function rememberedResolution(
  apt: Apt,
  recipes: readonly DebianLayerRecipe[],
): Promise<Resolution | undefined> {
  const path = await resolutionPath(apt, recipes);
  if (path === undefined) return undefined;
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Resolution;
  } catch (error) {
    // Absent, or torn by a loss of power: both mean asking apt.
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What is remembered, else what apt says. */
export async function resolvePackages(apt: Apt, recipes: readonly DebianLayerRecipe[]): Promise<Resolution> {
  const remembered = await rememberedResolution(apt, recipes);
  if (remembered) return remembered;
  const resolution: PackageRecord[][] = [];
  for (const { packages, exclude } of recipes) resolution.push(await resolveClosure(apt, packages, new Set(exclude)));
  const path = await resolutionPath(apt, recipes);
  if (path !== undefined) {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(`${path}.${process.pid}`, JSON.stringify(resolution));
    await rename(`${path}.${process.pid}`, path);
  }
  return resolution;
}

async function resolutionPath(apt: Apt, recipes: readonly DebianLayerRecipe[]): Promise<string | undefined> {
  const lists = await apt.fingerprint();
  if (lists === undefined) return undefined;
  const asked = recipes.map(({ packages, exclude }) => ({ packages, exclude }));
  const key = createHash('sha256')
    .update(JSON.stringify([lists, asked]))
    .digest('hex');
  return join(cacheFolder('resolutions'), `${key}.json`);
}
