import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { removeFiles } from '@gantry/archive';
import {
  type BackendAbility,
  type CallOptions,
  errnoOf,
  GantryError,
  type Provisioner,
  type Rootfs,
  type RootfsSource,
  raceAbort,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { type BackendChoice, Backends } from './backends.js';
import { changesOf } from './changes.js';
import {
  type ContainerFolder,
  containerFolder,
  isContainerId,
  type ProvisionerFolders,
  provisionerFolders,
} from './container-folder.js';
import { directoryRootfs, rootfsReader } from './describe.js';
import { LayerFiles } from './layer-files.js';
import { inUserNamespace, isOpaque } from './opaque.js';

/** What a provisioner is made of. */
export interface ProvisionerOptions {
  /** Folder for what containers write, absolute or relative to the working folder; made when it is first needed. */
  readonly root: string;
  /**
   * Default `auto`: `overlay` where it works (see `probe`) and for images of up to 500 layers, else `copy`. A backend that is
   * named is used or fails.
   */
  readonly backend?: BackendChoice;
}

/** A provisioner that says what it can do here, and what containers changed. */
export type FolderProvisioner = Required<Provisioner>;

/** Makes a provisioner on a folder. Nothing is touched before the first call. Linux only. */
export function createProvisioner({ root, backend = 'auto' }: ProvisionerOptions): FolderProvisioner {
  if (!['auto', 'overlay', 'copy', 'bind'].includes(backend)) {
    throw new GantryError('INVALID_ARGUMENT', `backend ${JSON.stringify(backend)}: want auto, overlay, copy or bind`, {
      details: { field: 'backend' },
    });
  }
  return new BackedProvisioner(resolve(root), backend);
}

class BackedProvisioner implements FolderProvisioner {
  readonly #folders: ProvisionerFolders;
  readonly #userxattr = inUserNamespace();
  readonly #backends: Backends;
  readonly #files = new LayerFiles((path) => isOpaque(path, this.#userxattr));

  constructor(root: string, backend: BackendChoice) {
    this.#folders = provisionerFolders(root);
    this.#backends = new Backends(root, backend, this.#userxattr);
  }

  async describe(containerId: string, source: RootfsSource): Promise<Rootfs> {
    const container = containerFolder(this.#folders, containerId);
    try {
      return (await this.#plan(container, source)).rootfs;
    } catch (error) {
      throw toGantryError(error, `root of container ${containerId}`);
    }
  }

  async provision(containerId: string, source: RootfsSource, options: CallOptions = {}): Promise<Rootfs> {
    const container = containerFolder(this.#folders, containerId);
    const what = `root of container ${containerId}`;
    try {
      const { rootfs, fill } = await this.#plan(container, source);
      throwIfAborted(options.signal, what);
      this.#makeFolder(container, containerId);
      try {
        mkdirSync(container.rootfs, 0o700);
        await fill(options);
      } catch (error) {
        await this.destroy(containerId);
        throw error;
      }
      return rootfs;
    } catch (error) {
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
      for (const name of leftovers) await removeFiles(join(trash, name));
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

  async probe({ signal }: CallOptions = {}): Promise<readonly BackendAbility[]> {
    const what = `probe of ${this.#folders.root}`;
    try {
      const abilities = Promise.all((['overlay', 'copy', 'bind'] as const).map((name) => this.#backends.ability(name)));
      return await raceAbort(abilities, signal, what);
    } catch (error) {
      throw toGantryError(error, what);
    }
  }

  changes(containerId: string, options: CallOptions = {}): AsyncIterable<Uint8Array> {
    return changesOf(containerFolder(this.#folders, containerId), containerId, this.#userxattr, options);
  }

  /** What a source becomes, and how to make it. */
  async #plan(container: ContainerFolder, source: RootfsSource): Promise<RootPlan> {
    if ('directory' in source) {
      return { rootfs: await directoryRootfs(source.directory, container, this.#backends.readonly), fill: () => {} };
    }
    const { empty } = this.#folders;
    const visible = this.#files.visible(source.image.layerPaths);
    const layers = visible.length > 0 ? visible : [empty];
    const backend = await this.#backends.for(layers);
    return {
      rootfs: {
        path: container.rootfs,
        mount: backend.describe(layers, container),
        readFile: rootfsReader((file, maxBytes) => this.#files.read(visible, file, maxBytes)),
      },
      fill: (options) => {
        if (layers[0] === empty) makeEmpty(empty);
        return backend.provision(layers, container, options);
      },
    };
  }

  /** Synchronously, as nothing on the way of a launch waits for the disk: see the overlay backend. */
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
}

interface RootPlan {
  readonly rootfs: Rootfs;
  fill(options: CallOptions): Promise<void> | void;
}

/** The host program's umask has no say in it. */
function makeEmpty(folder: string): void {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
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
