import type { Digest } from '@gantry/interface';
import type { BlobStore } from '../blob-store.js';
import type { LayerStore } from '../layer-store.js';
import type { LeaseStore } from '../lease-store.js';
import type { ReferenceStore } from '../reference-store.js';
import { Turns } from '../turns.js';
import type { Inventory, InventoryReference } from './choice.js';
import type { AllClaims, Holds } from './holds.js';
import { ReferenceWalk } from './reference-contents.js';

/** An inventory, and where its layers are. */
export interface Stock extends Inventory {
  readonly layerPaths: ReadonlyMap<Digest, string>;
}

export interface InventoryParts {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly references: ReferenceStore;
  readonly leases: LeaseStore;
  readonly holds: Holds;
}

/** Finds out what a store holds and who needs it. */
export class StoreInventory {
  readonly #parts: InventoryParts;
  readonly #walk: ReferenceWalk;

  constructor(parts: InventoryParts) {
    this.#parts = parts;
    this.#walk = new ReferenceWalk(parts.blobs);
  }

  async take(): Promise<Stock> {
    // In this order: a call gives up its hold only when a reference or a lease has taken its place.
    const held = await this.#parts.holds.read();
    const references = await this.#references();
    const claims = await this.#withLeases(held);
    const blobs = new Map<Digest, number>();
    for await (const { digest, size } of this.#parts.blobs.list()) blobs.set(digest, size);
    const layers = new Map<Digest, number>();
    const layerPaths = new Map<Digest, string>();
    for await (const { chainId, path, bytes } of this.#parts.layers.list()) {
      layers.set(chainId, bytes);
      layerPaths.set(chainId, path);
    }
    return { references, claims, blobs, layers, layerPaths };
  }

  async #references(): Promise<readonly InventoryReference[]> {
    const found: InventoryReference[] = [];
    const turns = new Turns();
    for (const { reference, descriptor } of await this.#parts.references.list()) {
      await turns.pause();
      const lastUse = this.#parts.references.lastUse(reference);
      if (lastUse === undefined) continue;
      found.push({ reference, lastUse, ...(await this.#walk.contents(descriptor)) });
    }
    return found;
  }

  async #withLeases({ references, blobs, layers }: AllClaims): Promise<AllClaims> {
    const leases = await this.#parts.leases.list();
    return {
      references,
      blobs: new Set([...blobs, ...leases.flatMap((lease) => lease.blobs)]),
      layers: new Set([...layers, ...leases.flatMap((lease) => lease.layers)]),
    };
  }
}
