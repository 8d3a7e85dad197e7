import { type BigIntStats, constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { isAbsent } from './folder-tree.js';
import { type Tree, type TreeEntry, toByteString, toPath } from './tree.js';

const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The merged view of layers in overlayfs form, without a mount (kernel documentation, filesystems/overlayfs.rst): the
 * topmost entry of a name wins, a 0:0 character device hides those below, folders merge down to an opaque one. Layers
 * do not change and no one but root can reach them, so plain paths will do.
 */
export class LayerTree implements Tree {
  readonly #isOpaque: (path: Buffer) => boolean;
  /** The layer folders that make up a merged folder, topmost first, by its path; filled as a walk goes down. */
  readonly #merged = new Map<string, readonly string[]>();

  /** Layers are given lowest first. */
  constructor(layers: readonly string[], isOpaque: (path: Buffer) => boolean) {
    this.#isOpaque = isOpaque;
    this.#merged.set('', this.#visible(layers.map(toByteString).reverse()));
  }

  async lookup(path: readonly string[]): Promise<TreeEntry | undefined> {
    const parents = this.#merged.get(path.slice(0, -1).join('/')) ?? [];
    const candidates = parents.map((parent) => `${parent}/${path.at(-1) ?? '.'}`);
    const stats = await Promise.all(candidates.map(statOf));
    const folders: string[] = [];
    for (const [position, candidate] of candidates.entries()) {
      const stat = stats[position];
      if (!stat) continue;
      if (!stat.isDirectory()) {
        if (folders.length === 0) return describe(candidate, stat);
        break;
      }
      folders.push(candidate);
    }
    if (folders.length === 0) return undefined;
    this.#merged.set(path.join('/'), this.#visible(folders));
    return { type: 'directory' };
  }

  /** The folders down to the first opaque one. The lowest has nothing below it to hide. */
  #visible(folders: readonly string[]): readonly string[] {
    const last = folders.slice(0, -1).findIndex((folder) => this.#isOpaque(toPath(folder)));
    return last < 0 ? folders : folders.slice(0, last + 1);
  }
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(toPath(path), { bigint: true });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function describe(path: string, stat: BigIntStats): Promise<TreeEntry | undefined> {
  if (stat.isCharacterDevice() && stat.rdev === 0n) return undefined;
  if (stat.isSymbolicLink()) {
    return { type: 'link', target: (await readlink(toPath(path), 'buffer')).toString('latin1') };
  }
  return stat.isFile() ? { type: 'file', open: () => open(toPath(path), fileFlags) } : { type: 'other' };
}
