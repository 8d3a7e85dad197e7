import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readlink } from 'node:fs/promises';
import { errnoOf } from '@gantry/interface';
import { type Tree, type TreeEntry, toPath } from './tree.js';

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A folder of the host as a root. Others may write to it meanwhile, a running container among them, so every folder on
 * the way is held open while the next name is looked up in it: swapping one for a link leads nowhere else.
 */
export class FolderTree implements Tree {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async lookup(path: readonly string[]): Promise<TreeEntry | undefined> {
    try {
      return await this.#withParent(path, async (entryPath) => {
        const stat = await lstat(entryPath);
        if (stat.isSymbolicLink()) {
          return { type: 'link', target: (await readlink(entryPath, 'buffer')).toString('latin1') };
        }
        return this.#describe(stat, path);
      });
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  #describe(stat: Stats, path: readonly string[]): TreeEntry {
    if (stat.isDirectory()) return { type: 'directory' };
    if (!stat.isFile()) return { type: 'other' };
    return { type: 'file', open: () => this.#withParent(path, (entryPath) => open(entryPath, fileFlags)) };
  }

  /** Calls `use` with a path to the entry that the kernel resolves from the open descriptor of its folder. */
  async #withParent<T>(path: readonly string[], use: (entryPath: Buffer) => Promise<T>): Promise<T> {
    let parent: FileHandle = await open(this.#root, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      for (const name of path.slice(0, -1)) {
        const child = await open(inside(parent, name), folderFlags);
        await parent.close();
        parent = child;
      }
      return await use(inside(parent, path.at(-1) ?? '.'));
    } finally {
      await parent.close();
    }
  }
}

function inside(folder: FileHandle, name: string): Buffer {
  return toPath(`/proc/self/fd/${folder.fd}/${name}`);
}

/** Gone or replaced since its parent was seen counts as absent, like never there. */
export function isAbsent(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'ENAMETOOLONG';
}
