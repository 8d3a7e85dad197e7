import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { applyLayer, removeTree } from '@gantry/archive';
import { type CallOptions, isGantryError, type StoreFault, throwIfAborted } from '@gantry/interface';
import type { BlobStore } from './blob-store.js';
import type { CollectorNotices } from './garbage/collector-notices.js';
import type { Holds } from './garbage/holds.js';
import { Retirement } from './garbage/retirement.js';
import type { StoreInventory } from './garbage/store-inventory.js';
import type { ImageCatalog } from './image-catalog.js';
import { type LayerRecord, readLayerRecord } from './layer-folder.js';
import { isFolder, type LayerStore } from './layer-store.js';
import type { LayoutIndex } from './layout-index.js';
import type { ReferenceRecord, ReferenceStore } from './reference-store.js';
import { treeDifference } from './tree-difference.js';

const what = 'verification of the store';

export interface CheckParts {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly references: ReferenceStore;
  readonly index: LayoutIndex;
  readonly catalog: ImageCatalog;
  readonly inventory: StoreInventory;
  readonly holds: Holds;
  readonly notices: CollectorNotices;
}

/** Reads a store through and removes what is damaged. */
export class StoreCheck {
  readonly #parts: CheckParts;

  constructor(parts: CheckParts) {
    this.#parts = parts;
  }

  async *run({ signal }: CallOptions): AsyncIterable<StoreFault> {
    yield* this.#checkBlobs(signal);
    yield* this.#checkLayers(signal);
    // Last: a reference that leads to what was damaged does not work any more either.
    yield* this.#checkReferences(signal);
  }

  async *#checkBlobs(signal: AbortSignal | undefined): AsyncIterable<StoreFault> {
    const { blobs } = this.#parts;
    for await (const { digest } of blobs.list()) {
      const reason = await blobs.faultOf(digest, () => throwIfAborted(signal, what));
      if (reason) yield { kind: 'blob', name: digest, reason };
    }
  }

  async *#checkLayers(signal: AbortSignal | undefined): AsyncIterable<StoreFault> {
    for await (const { chainId, path } of this.#parts.layers.list()) {
      throwIfAborted(signal, what);
      const record = readLayerRecord(path);
      const reason =
        record?.chainId === chainId
          ? await this.#layerFault(path, record, signal)
          : 'what it was made from is not recorded';
      if (!reason || !isFolder(path)) continue;
      const isInUse = !(await this.#retireLayer(path, chainId));
      yield { kind: 'layer', name: chainId, reason: isInUse ? `${reason}; it is in use and stays` : reason };
    }
  }

  /** Unpacks the layer's blob once more and compares; without its blob, only that there is a tree can be said. */
  async #layerFault(path: string, record: LayerRecord, signal: AbortSignal | undefined): Promise<string | undefined> {
    const { blobs, holds, layers } = this.#parts;
    const { blob, diffId, chainId } = record;
    const tree = join(path, 'diff');
    if (!isFolder(tree)) return 'its tree is missing';
    const hold = await holds.take({ blobs: [blob.digest], layers: [chainId] }, what, signal);
    try {
      if (!(await blobs.has(blob))) return undefined;
      const fresh = await layers.asidePath();
      try {
        const target = join(fresh, 'diff');
        await mkdir(fresh, 0o700);
        await mkdir(target, 0o700);
        const call = { ...(signal && { signal }) };
        await applyLayer({ blobPath: blobs.path(blob.digest), mediaType: blob.mediaType, diffId, target, ...call });
        return await treeDifference(tree, target, () => throwIfAborted(signal, what));
      } finally {
        await removeTree(fresh);
      }
    } finally {
      await hold.release();
    }
  }

  /** False if it is leased or held. */
  async #retireLayer(path: string, chainId: LayerRecord['chainId']): Promise<boolean> {
    const { inventory, layers, notices } = this.#parts;
    const aside = await layers.asidePath();
    const notice = await notices.post();
    try {
      const { claims } = await inventory.take();
      if (claims.layers.has(chainId)) return false;
      await new Retirement(notice).move(path, aside, 'folder');
    } finally {
      await notice.withdraw();
    }
    await removeTree(aside);
    return true;
  }

  async *#checkReferences(signal: AbortSignal | undefined): AsyncIterable<StoreFault> {
    const { references, index } = this.#parts;
    let removed = 0;
    for (const name of await references.removeUnreadable()) {
      removed++;
      yield { kind: 'reference', name, reason: 'its record cannot be read' };
    }
    for (const record of await references.list()) {
      throwIfAborted(signal, what);
      const reason = await this.#referenceFault(record);
      if (!reason || !(await this.#retireReference(record))) continue;
      removed++;
      yield { kind: 'reference', name: record.reference, reason };
    }
    if (removed > 0) await index.publish();
  }

  async #referenceFault(record: ReferenceRecord): Promise<string | undefined> {
    try {
      if (await this.#parts.catalog.leadsToImage(record)) return undefined;
      return 'no image that it stands for is whole';
    } catch (error) {
      if (isGantryError(error)) return error.message;
      throw error;
    }
  }

  /** False if a pull is at it, or has mended it. */
  async #retireReference(record: ReferenceRecord): Promise<boolean> {
    const { inventory, notices, references } = this.#parts;
    const notice = await notices.post();
    try {
      const { claims } = await inventory.take();
      if (claims.references.has(record.reference) || !(await this.#referenceFault(record))) return false;
      return await references.retire(record.reference, new Retirement(notice));
    } finally {
      await notice.withdraw();
    }
  }
}
