import { GantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import type { LayerEntry, StreamedFile, StreamedLayer } from '../image/layer-entry.js';
import { withApt } from './apt.js';
import type { DebianLayerRecipe } from './layer-recipe.js';
import { mergedFolders, packageFiles } from './package-files.js';
import type { PackageRecord } from './package-record.js';
import { resolvePackages } from './resolution-cache.js';
import { userFiles } from './users.js';

export interface DebianLayerOptions extends DebianLayerRecipe {
  readonly signal?: AbortSignal;
}

/** A layer of Debian packages, fetched and ready to be built. */
export interface DebianLayer extends StreamedLayer {
  readonly packages: readonly { readonly name: string; readonly version: string }[];
}

const documentation = ['doc', 'doc-base', 'man', 'info', 'locale', 'lintian', 'bug'].map((name) => `usr/share/${name}`);

/**
 * Makes a layer of Debian packages with this machine's apt and dpkg-deb, without root and without running any of their
 * scripts. Files are at their merged-/usr places. `UNSUPPORTED`, with what to do, off Debian or without its archive.
 */
export async function debianLayer(options: DebianLayerOptions): Promise<DebianLayer> {
  const { signal } = options;
  try {
    return await withApt(async (apt) => {
      const [packages = []] = await resolvePackages(apt, [options]);
      return packagesLayer(options, packages, await apt.download(packages, signal));
    }, signal);
  } catch (error) {
    throwIfAborted(signal, 'debian layer');
    throw toGantryError(error, 'debian layer');
  }
}

/** The layer of packages whose files are at the paths given by name. */
export function packagesLayer(
  recipe: DebianLayerRecipe,
  packages: readonly PackageRecord[],
  paths: ReadonlyMap<string, string>,
): DebianLayer {
  return {
    packages: packages.map(({ name, version }) => ({ name, version })),
    entries: () => layerEntries(recipe, packages, paths),
  };
}

async function* layerEntries(
  recipe: DebianLayerRecipe,
  packages: readonly PackageRecord[],
  paths: ReadonlyMap<string, string>,
): AsyncIterable<LayerEntry | StreamedFile> {
  const written = new Set<string>();
  for (const entry of skeleton(recipe)) {
    written.add(entry.path);
    yield entry;
  }
  // Of several packages that have a path the last one's stays: backwards, the first that comes.
  for (const { name } of packages.toReversed()) {
    for await (const entry of packageFiles(paths.get(name) ?? '')) {
      if (entry.path === '' || written.has(entry.path) || !isWanted(recipe, name, entry)) continue;
      if (entry.type === 'hardlink' && !written.has(entry.target)) {
        throw new GantryError(
          'INVALID_ARGUMENT',
          `${name}: ${entry.path} is a hard link to ${entry.target}, which the recipe leaves out`,
        );
      }
      written.add(entry.path);
      yield entry;
    }
  }
}

function skeleton({ users }: DebianLayerRecipe): LayerEntry[] {
  return [
    { path: 'usr', type: 'directory' },
    ...mergedFolders.flatMap((name): LayerEntry[] => [
      { path: `usr/${name}`, type: 'directory' },
      { path: name, type: 'symlink', target: `usr/${name}` },
    ]),
    { path: 'tmp', type: 'directory', mode: 0o1777 },
    ...(users ? userFiles(users) : []),
  ];
}

function isWanted(
  { keep, omit = [] }: DebianLayerRecipe,
  name: string,
  { path, type }: LayerEntry | StreamedFile,
): boolean {
  if ([...documentation, ...omit].some((left) => path === left || path.startsWith(`${left}/`))) return false;
  const kept = keep !== undefined && Object.hasOwn(keep, name) ? keep[name] : undefined;
  return kept === undefined || kept.some((one) => one === path || (type === 'directory' && one.startsWith(`${path}/`)));
}
