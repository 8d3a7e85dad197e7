import { createHash } from 'node:crypto';
import { hostPlatform } from '@gantry/image-spec';
import { throwIfAborted, toGantryError } from '@gantry/interface';
import { Apt, withApt } from '../debian/apt.js';
import { packagesLayer } from '../debian/debian-layer.js';
import type { DebianLayerRecipe } from '../debian/layer-recipe.js';
import { type Resolution, rememberedResolution, resolvePackages } from '../debian/resolution-cache.js';
import type { BuildConfig } from '../image/build-image.js';
import type { BuiltImage } from '../image/built-image.js';
import type { LayerEntry } from '../image/layer-entry.js';
import { buildCached, cachedImage } from './image-cache.js';

/** How a ready-made image is to differ from its recipe. */
export interface ImageOptions {
  /** Each field that is given replaces the recipe's. */
  readonly config?: BuildConfig;
  /** Default `oci`. */
  readonly format?: 'oci' | 'docker';
  readonly signal?: AbortSignal;
}

/** An image made from Debian's packages. All of it is data, so that its text is the key of the cache. */
export interface DebianImageRecipe {
  /** Lowest layers. */
  readonly debian: readonly DebianLayerRecipe[];
  /** The layer above them. */
  readonly files: readonly LayerEntry[];
  /** From the versions of the packages, by their names. */
  readonly config: (versions: ReadonlyMap<string, string>) => BuildConfig;
}

/** PATH of the images. */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Changes when what the same recipe builds changes. */
const builderVersion = 1;

/** The image of a recipe, from the cache if it was built before from the same versions of the packages. */
export async function debianImage(recipe: DebianImageRecipe, options: ImageOptions): Promise<BuiltImage> {
  const { format = 'oci', signal } = options;
  const configOf = (resolution: Resolution) => ({ ...recipe.config(versionsOf(resolution)), ...options.config });
  const keyOf = (resolution: Resolution) =>
    imageKey([recipe.debian, recipe.files, resolution, configOf(resolution), format]);
  try {
    for (const apt of [Apt.ofMachine(), Apt.ofCache()]) {
      const resolution = await rememberedResolution(apt, recipe.debian);
      const cached = resolution && (await cachedImage(keyOf(resolution)));
      if (cached) return cached;
    }
    return await withApt(async (apt) => {
      const resolution = await resolvePackages(apt, recipe.debian);
      const cached = await cachedImage(keyOf(resolution));
      if (cached) return cached;
      const paths = await apt.download(resolution.flat(), signal);
      const debian = recipe.debian.map((layer, index) => packagesLayer(layer, resolution[index] ?? [], paths));
      const layers = [...debian, recipe.files];
      return buildCached(keyOf(resolution), {
        layers,
        config: configOf(resolution),
        format,
        ...(signal ? { signal } : {}),
      });
    }, signal);
  } catch (error) {
    throwIfAborted(signal, 'image build');
    throw toGantryError(error, 'image build');
  }
}

function versionsOf(resolution: Resolution): ReadonlyMap<string, string> {
  return new Map(resolution.flat().map(({ name, version }) => [name, version]));
}

function imageKey(ingredients: readonly unknown[]): string {
  const text = JSON.stringify([builderVersion, hostPlatform(), process.versions.zlib, ...ingredients]);
  return createHash('sha256').update(text).digest('hex');
}
