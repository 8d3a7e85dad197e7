import { lstatSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  applyLayer,
  type GrowingBlobHandle,
  isOrdinary,
  maxUnpacking,
  removeTree,
  squashesOwners,
} from '@gantry/archive';
import {
  type CallOptions,
  type Digest,
  type ErrorCode,
  GantryError,
  type ImageLayer,
  isGantryError,
  toGantryError,
} from '@gantry/interface';
import type { BlobGrowth } from './blob-growth.js';
import type { BlobStore } from './blob-store.js';
import { ensureFolder, moveFile, moveFolder } from './durable.js';
import { eachLimited } from './each-limited.js';
import { namesIn } from './folder-names.js';
import type { StoreFolders } from './folders.js';
import { FollowSlots } from './follow-slots.js';
import { chainName, chainOf, readLayerRecord, writeLayerRecord } from './layer-folder.js';
import { bootId, ownedName, sweepAbandoned } from './owned-name.js';
import { report, SharedTasks, type TaskContext } from './shared-tasks.js';
import { Turns } from './turns.js';

const contentFaults: ReadonlySet<ErrorCode> = new Set(['INVALID_ARCHIVE', 'DIGEST_MISMATCH', 'SIZE_MISMATCH']);

/** Trees with the images' own owners are not for a user who has got ranges of ids since, nor the other way round. */
const squashed = '-squashed';

/** What a tree is made from. */
interface LayerSource {
  readonly blobPath: string;
  readonly growing?: GrowingBlobHandle;
  /** See `ApplyLayerOptions.yields`. */
  readonly yields: boolean;
  /** Resolves when the blob is verified; without it, it is. */
  readonly downloaded?: Promise<unknown>;
}

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
  readonly #following = new FollowSlots(maxUnpacking);
  #boot: Promise<string> | undefined;

  constructor(folders: StoreFolders, blobs: BlobStore) {
    this.#folders = folders;
    this.#blobs = blobs;
  }

  /** Paths of the layers' trees, in order; those that are not there are unpacked. */
  async ensure(layers: readonly ImageLayer[], what: string, options: CallOptions): Promise<readonly string[]> {
    requireLinux();
    const boot = await this.#bootFolder();
    const paths = layers.map((layer) => treePath(boot, layer));
    const missing = layers.filter((layer, position) => {
      const isPresent = isFolder(paths[position] ?? '');
      if (isPresent) report(options, { type: 'unpacked', digest: layer.descriptor.digest, cached: true });
      return !isPresent;
    });
    if (missing.length > 0) await this.complete(missing, what, options);
    return paths;
  }

  /** Unpacks those layers that are not there, without a word on the others. */
  async complete(layers: readonly ImageLayer[], what: string, options: CallOptions): Promise<void> {
    const boot = await this.#bootFolder();
    const missing = layers.filter((layer) => !isFolder(treePath(boot, layer)));
    if (missing.length > 0) await this.prepare();
    const largest = largestOf(missing);
    await eachLimited(missing, maxUnpacking, what, options.signal, (layer, signal) =>
      this.#share(layer, treePath(boot, layer), layer !== largest, { ...options, signal }),
    );
  }

  /**
   * Unpacks one of the layers, whose blob is being downloaded: as it comes if there is a thread to spare, else when it is there.
   * The tree is not seen before both digests are verified. What becomes of it is for {@link ensure} to say.
   */
  async follow(
    layer: ImageLayer,
    layers: readonly ImageLayer[],
    growth: BlobGrowth,
    downloaded: Promise<unknown>,
    options: CallOptions,
  ): Promise<void> {
    const path = treePath(await this.#bootFolder(), layer);
    const yields = layer !== largestOf(layers);
    if (isFolder(path)) return this.#share(layer, path, yields, options);
    // Another process, which unpacks for an ordinary user, follows none.
    const blobPath = isOrdinary() ? undefined : await growth.path;
    const giveBack = blobPath && (await this.#following.take(growth.settled));
    if (!giveBack) {
      await downloaded;
      return this.#share(layer, path, yields, options);
    }
    try {
      await this.#share(layer, path, yields, options, { blobPath, growing: growth.handle, yields, downloaded });
    } finally {
      giveBack();
    }
  }

  /** Makes the folders, and removes the trees of earlier boots and of processes that died while they unpacked. */
  async prepare(): Promise<void> {
    requireLinux();
    const boot = await this.#bootFolder();
    await ensureFolder(this.#folders.staging);
    await ensureFolder(boot);
    await this.sweep();
  }

  /** Removes what processes that died, and the machine before it was started anew, have left. */
  async sweep(): Promise<void> {
    if (process.platform !== 'linux') return;
    await sweepAbandoned(this.#folders.staging, removeTree);
    const boot = (await bootId()).slice(0, 8);
    for (const name of await namesIn(this.#folders.layers)) {
      if (!name.startsWith(boot)) await this.discard(join(this.#folders.layers, name));
    }
  }

  /** Removes a folder of trees, or nothing if it is gone. */
  async discard(path: string): Promise<void> {
    const aside = await this.asidePath();
    if (await moveFile(path, aside)) await removeTree(aside);
  }

  /** Where a tree can be moved to; it is removed from there at the latest after this process has ended. */
  async asidePath(): Promise<string> {
    await ensureFolder(this.#folders.staging);
    return join(this.#folders.staging, await ownedName());
  }

  /** The folders of this boot's trees, with the bytes that each takes as far as that is known. */
  async *list(): AsyncIterable<{ readonly chainId: Digest; readonly path: string; readonly bytes: number }> {
    if (process.platform !== 'linux') return;
    const boot = await this.#bootFolder();
    const turns = new Turns();
    for (const name of await namesIn(boot)) {
      await turns.pause();
      const chainId = chainOf(name);
      const path = join(boot, name);
      if (chainId) yield { chainId, path, bytes: readLayerRecord(path)?.bytes ?? 0 };
    }
  }

  /** One unpacking of a layer, however many want it at this moment. By blob too: another's might come later than one's own. */
  #share(layer: ImageLayer, path: string, yields: boolean, options: CallOptions, source?: LayerSource): Promise<void> {
    const key = `${path} ${layer.descriptor.digest}`;
    return this.#unpacking.join(key, `layer ${layer.chainId}`, options, async (context) => {
      if (isFolder(path)) context.onProgress({ type: 'unpacked', digest: layer.descriptor.digest, cached: true });
      else if (!source || !(await this.#tryUnpack(layer, path, source, context))) {
        await this.#unpackBlob(layer, path, yields, context);
      }
    });
  }

  /** From a blob that may not come to be. False if it went wrong in any way: the blob, once it is there, tells why. */
  async #tryUnpack(layer: ImageLayer, path: string, source: LayerSource, context: TaskContext): Promise<boolean> {
    try {
      await this.#unpack(layer, path, source, context);
      return true;
    } catch (error) {
      if (context.signal.aborted) throw error;
      return false;
    }
  }

  async #unpackBlob(layer: ImageLayer, path: string, yields: boolean, context: TaskContext): Promise<void> {
    const { digest } = layer.descriptor;
    if (!(await this.#blobs.has(layer.descriptor))) {
      throw new GantryError('NOT_FOUND', `blob ${digest} is not in the store: pull its image again`, {
        details: { digest },
      });
    }
    try {
      await this.#unpack(layer, path, { blobPath: this.#blobs.path(digest), yields }, context);
    } catch (error) {
      // If it is the disk's fault rather than the image's, verify discards the blob and says so.
      if (isGantryError(error) && contentFaults.has(error.code)) await this.#blobs.verify(digest);
      throw error;
    }
  }

  async #unpack(layer: ImageLayer, path: string, source: LayerSource, context: TaskContext): Promise<void> {
    const { digest } = layer.descriptor;
    const staging = join(this.#folders.staging, await ownedName());
    let moved = false;
    try {
      await mkdir(staging, 0o700);
      await this.#apply(layer, join(staging, 'diff'), staging, source, context);
      moved = await moveFolder(staging, dirname(path), ['EEXIST', 'ENOTEMPTY']);
      if (!moved && !isFolder(path)) {
        await this.discard(dirname(path));
        moved = await moveFolder(staging, dirname(path), ['EEXIST', 'ENOTEMPTY']);
      }
      context.onProgress({ type: 'unpacked', digest, cached: !moved });
    } catch (error) {
      throw toGantryError(error, `layer ${layer.chainId}`);
    } finally {
      if (!moved) await removeTree(staging);
    }
  }

  async #apply(
    layer: ImageLayer,
    target: string,
    folder: string,
    { blobPath, growing, yields, downloaded }: LayerSource,
    { signal, onProgress }: TaskContext,
  ): Promise<void> {
    const { digest, mediaType, size } = layer.descriptor;
    await mkdir(target, 0o700);
    const { bytes } = await applyLayer({
      blobPath,
      mediaType,
      diffId: layer.diffId,
      target,
      yields,
      signal,
      ...(growing && { growing }),
      // Told by the digest that the layer was fetched by.
      onProgress: (event) => {
        if (event.type === 'unpacking') onProgress({ ...event, digest, total: size });
      },
    });
    await writeLayerRecord(folder, layer, bytes);
    await downloaded;
  }

  async #bootFolder(): Promise<string> {
    this.#boot ??= Promise.all([bootId(), squashesOwners()]).then(([id, squashes]) =>
      join(this.#folders.layers, `${id.slice(0, 8)}${squashes ? squashed : ''}`),
    );
    return this.#boot;
  }
}

function treePath(boot: string, layer: ImageLayer): string {
  return join(boot, chainName(layer.chainId), 'diff');
}

function largestOf(layers: readonly ImageLayer[]): ImageLayer | undefined {
  let largest = layers[0];
  for (const layer of layers) if (layer.descriptor.size > (largest?.descriptor.size ?? 0)) largest = layer;
  return largest;
}

/** Synchronous for the reason that `BlobStore.has` gives. */
export function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function requireLinux(): void {
  if (process.platform === 'linux') return;
  throw new GantryError('UNSUPPORTED', `layers can be unpacked on Linux only, not on ${process.platform}`);
}
