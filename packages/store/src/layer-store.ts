import { lstatSync } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { applyLayer, removeTree } from '@gantry/archive';
import { digestHex } from '@gantry/image-spec';
import {
  type CallOptions,
  type ErrorCode,
  errnoOf,
  GantryError,
  type ImageLayer,
  isGantryError,
  toGantryError,
} from '@gantry/interface';
import type { BlobStore } from './blob-store.js';
import { ensureFolder } from './durable.js';
import { eachLimited } from './each-limited.js';
import type { StoreFolders } from './folders.js';
import { bootId, ownedName, sweepAbandoned } from './owned-name.js';
import { report, SharedTasks, type TaskContext } from './shared-tasks.js';

const contentFaults: ReadonlySet<ErrorCode> = new Set(['INVALID_ARCHIVE', 'DIGEST_MISMATCH', 'SIZE_MISMATCH']);

/**
 * Layers unpacked in overlayfs form, at `layers/<boot>/<chain>/diff`. A tree gets there by a rename, so one that is
 * there is whole. That holds for one boot: to flush every file of a layer would cost more than to unpack it again, so
 * after a restart of the machine, which may have been a power cut, the trees of the boot before are thrown away.
 * Everything above `diff` is for root alone, which keeps the host's users from set-user-id programs of images.
 */
export class LayerStore {
  readonly #folders: StoreFolders;
  readonly #blobs: BlobStore;
  readonly #unpacking = new SharedTasks<void>();
  #boot: Promise<string> | undefined;

  constructor(folders: StoreFolders, blobs: BlobStore) {
    this.#folders = folders;
    this.#blobs = blobs;
  }

  /** Paths of the layers' trees, in order; those that are not there are unpacked. */
  async ensure(layers: readonly ImageLayer[], what: string, options: CallOptions): Promise<readonly string[]> {
    requireLinux();
    const boot = await this.#bootFolder();
    const trees = layers.map((layer) => ({ layer, path: join(boot, chainName(layer), 'diff') }));
    const present = trees.map(({ path }) => isFolder(path));
    const missing = trees.filter((_, position) => !present[position]);
    if (missing.length > 0) await this.#prepare(boot);
    for (const { layer } of trees.filter((_, position) => present[position])) {
      report(options, { type: 'unpacked', digest: layer.descriptor.digest, cached: true });
    }
    const limit = Math.max(2, availableParallelism());
    await eachLimited(missing, limit, what, options.signal, ({ layer, path }, signal) =>
      this.#unpacking.join(path, `layer ${layer.chainId}`, { ...options, signal }, (context) =>
        this.#unpack(layer, path, context),
      ),
    );
    return trees.map(({ path }) => path);
  }

  async #unpack(layer: ImageLayer, path: string, { signal, onProgress }: TaskContext): Promise<void> {
    const { digest } = layer.descriptor;
    if (isFolder(path)) {
      onProgress({ type: 'unpacked', digest, cached: true });
      return;
    }
    const staging = join(this.#folders.staging, await ownedName());
    const target = join(staging, 'diff');
    let moved = false;
    try {
      await mkdir(staging, 0o700);
      await mkdir(target, 0o700);
      await this.#apply(layer, target, { signal, onProgress });
      moved = await moveFolder(staging, dirname(path), ['EEXIST', 'ENOTEMPTY']);
      onProgress({ type: 'unpacked', digest, cached: !moved });
    } catch (error) {
      throw toGantryError(error, `layer ${layer.chainId}`);
    } finally {
      if (!moved) await removeTree(staging);
    }
  }

  async #apply(layer: ImageLayer, target: string, { signal, onProgress }: TaskContext): Promise<void> {
    const { digest, mediaType, size } = layer.descriptor;
    if (!(await this.#blobs.has(layer.descriptor))) {
      throw new GantryError('NOT_FOUND', `blob ${digest} is not in the store: pull its image again`, {
        details: { digest },
      });
    }
    try {
      await applyLayer({
        blobPath: this.#blobs.path(digest),
        mediaType,
        diffId: layer.diffId,
        target,
        signal,
        // Told by the digest that the layer was fetched by.
        onProgress: (event) => {
          if (event.type === 'unpacking') onProgress({ ...event, digest, total: size });
        },
      });
    } catch (error) {
      // If it is the disk's fault rather than the image's, verify discards the blob and says so.
      if (isGantryError(error) && contentFaults.has(error.code)) {
        await this.#blobs.verify(digest);
      }
      throw error;
    }
  }

  async #bootFolder(): Promise<string> {
    this.#boot ??= bootId().then((id) => join(this.#folders.layers, id.slice(0, 8)));
    return this.#boot;
  }

  /** Makes the folders, and removes the trees of earlier boots and of processes that died while they unpacked. */
  async #prepare(boot: string): Promise<void> {
    await ensureFolder(this.#folders.staging);
    await ensureFolder(boot);
    await sweepAbandoned(this.#folders.staging, removeTree);
    for (const name of await readdir(this.#folders.layers)) {
      if (name === basename(boot)) continue;
      const old = join(this.#folders.staging, await ownedName());
      if (await moveFolder(join(this.#folders.layers, name), old, ['ENOENT'])) await removeTree(old);
    }
  }
}

/** 43 characters: until Linux 6.5 all paths of an overlay mount must fit into 4 KiB together. */
function chainName(layer: ImageLayer): string {
  return Buffer.from(digestHex(layer.chainId), 'hex').toString('base64url');
}

/** Renames a folder; false if that failed as it does where another process was quicker. */
async function moveFolder(from: string, to: string, overtaken: readonly string[]): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (overtaken.includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

/** Synchronous for the reason that `BlobStore.has` gives. */
function isFolder(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function requireLinux(): void {
  if (process.platform === 'linux') return;
  throw new GantryError('UNSUPPORTED', `layers can be unpacked on Linux only, not on ${process.platform}`);
}
