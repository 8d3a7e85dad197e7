import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { removeTree } from '@gantry/archive';
import {
  type CallOptions,
  errnoOf,
  GantryError,
  type Provisioner,
  type Rootfs,
  type RootfsSource,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { BoundedCache } from './bounded-cache.js';
import {
  type ContainerFolder,
  containerFolder,
  isContainerId,
  type ProvisionerFolders,
  provisionerFolders,
} from './container-folder.js';
import { describeRootfs } from './describe.js';
import { LayerFiles } from './layer-files.js';
import { isOpaque } from './opaque.js';

/** What a provisioner is made of. */
export interface ProvisionerOptions {
  /**
   * Folder for what containers write, absolute or relative to the working folder; made when it is first needed. Its
   * file system must be fit for the upper layer of an overlay mount (not an overlay itself).
   */
  readonly root: string;
}

const rootsKept = 1024;

/** Mode and owner of the root folder that an image shows. */
interface RootAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Makes a provisioner on a folder. Nothing is touched before the first call. Linux only. */
export function createProvisioner(options: ProvisionerOptions): Provisioner {
  return new FolderProvisioner(resolve(options.root));
}

class FolderProvisioner implements Provisioner {
  readonly #folders: ProvisionerFolders;
  readonly #files = new LayerFiles(isOpaque);
  readonly #roots = new BoundedCache<RootAttributes>(rootsKept);

  constructor(root: string) {
    this.#folders = provisionerFolders(root);
  }

  async describe(containerId: string, source: RootfsSource): Promise<Rootfs> {
    try {
      return await describeRootfs(source, containerFolder(this.#folders, containerId), this.#folders, this.#files);
    } catch (error) {
      throw toGantryError(error, `root of container ${containerId}`);
    }
  }

  async provision(containerId: string, source: RootfsSource, options: CallOptions = {}): Promise<Rootfs> {
    const container = containerFolder(this.#folders, containerId);
    const rootfs = await this.describe(containerId, source);
    const what = `root of container ${containerId}`;
    throwIfAborted(options.signal, what);
    try {
      this.#makeFolder(container, containerId);
    } catch (error) {
      throw toGantryError(error, what);
    }
    try {
      mkdirSync(container.rootfs, 0o700);
      if (rootfs.mount.type === 'overlay') {
        this.#makeUpper(rootfs.mount.upper, rootfs.mount.lower);
        mkdirSync(rootfs.mount.work, 0o700);
      }
      return rootfs;
    } catch (error) {
      await this.destroy(containerId);
      throw toGantryError(error, what);
    }
  }

  async destroy(containerId: string): Promise<boolean> {
    const { folder } = containerFolder(this.#folders, containerId);
    const { trash } = this.#folders;
    try {
      // Away first: what is half removed must not be taken for a container's root.
      const found = await moveAway(folder, join(trash, `${containerId}~${randomBytes(8).toString('hex')}`));
      const leftovers = (await namesIn(trash)).filter((name) => idOfTrash(name) === containerId);
      for (const name of leftovers) await remove(join(trash, name));
      return found || leftovers.length > 0;
    } catch (error) {
      throw toGantryError(error, `removal of the root of container ${containerId}`);
    }
  }

  async *list(): AsyncIterable<string> {
    const { containers, trash } = this.#folders;
    try {
      const names = [...(await namesIn(containers)), ...(await namesIn(trash)).map(idOfTrash)];
      yield* new Set(names.filter(isContainerId));
    } catch (error) {
      throw toGantryError(error, 'list of provisioned containers');
    }
  }

  /**
   * Makes the container's folder. Nothing that `provision` makes is flushed to the disk, which would cost more than all
   * the rest of a launch: after a crash of the machine no container runs, and recovery destroys what is left of them.
   * Unflushed, they are made in the kernel's memory, sooner than a thread could be woken for it: hence synchronously.
   */
  #makeFolder({ folder }: ContainerFolder, id: string): void {
    try {
      mkdirSync(folder, 0o700);
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') {
        throw new GantryError('ALREADY_EXISTS', `container ${id} has a root already: destroy it first`, {
          details: { id },
          cause: error,
        });
      }
      if (errnoOf(error) !== 'ENOENT') throw error;
      mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
      mkdirSync(folder, 0o700);
    }
  }

  /** The upper folder's own mode and owner are what the container sees of its root, so they are the image's. */
  #makeUpper(upper: string, lower: readonly string[]): void {
    const { empty } = this.#folders;
    const top = lower.at(-1) ?? empty;
    if (top === empty) mkdirSync(empty, { recursive: true, mode: 0o755 });
    const { mode, uid, gid } = this.#rootOf(top);
    mkdirSync(upper, mode);
    if (uid !== process.geteuid?.() || gid !== process.getegid?.()) chownSync(upper, uid, gid);
    // Apart from mkdir, which is subject to the host program's umask, and after chown, which clears bits.
    chmodSync(upper, mode);
  }

  #rootOf(top: string): RootAttributes {
    const known = this.#roots.get(top);
    if (known) return known;
    const { mode, uid, gid } = lstatSync(top);
    const attributes = { mode: mode & 0o7777, uid, gid };
    this.#roots.set(top, attributes);
    return attributes;
  }
}

/** Renames a folder to a place whose parent is made if need be; false if there is no such folder. */
async function moveAway(from: string, to: string): Promise<boolean> {
  if (await moved(from, to)) return true;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  return moved(from, to);
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** What a container nested deeper than paths reach is left to a worker, which would be slower for all the rest. */
async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
    await removeTree(path);
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Entries of the trash are named `<id>~<random>`; an id has no `~`. */
function idOfTrash(name: string): string {
  return name.split('~', 1)[0] ?? name;
}
