import type { Digest } from '@gantry/interface';
import type { AllClaims } from './holds.js';
import type { ReferenceContents } from './reference-contents.js';

/** A reference as garbage collection sees it. */
export interface InventoryReference extends ReferenceContents {
  readonly reference: string;
  /** Milliseconds of the epoch. */
  readonly lastUse: number;
}

/** What a store holds, and what of it is claimed by holds and leases. */
export interface Inventory {
  readonly references: readonly InventoryReference[];
  readonly claims: AllClaims;
  /** Bytes of each blob that is there. */
  readonly blobs: ReadonlyMap<Digest, number>;
  /** Bytes of each unpacked layer that is there, by chain id. */
  readonly layers: ReadonlyMap<Digest, number>;
}

/** What may be removed. */
export interface GarbagePolicy {
  /** References used at this time or later stay. */
  readonly usedSince: number;
  readonly exclude: ReadonlySet<string>;
  /** References go, oldest use first, until about that many bytes are found; without it, all that may. */
  readonly neededBytes?: number;
}

export interface GarbageChoice {
  readonly references: readonly string[];
  readonly blobs: readonly Digest[];
  readonly layers: readonly Digest[];
}

/**
 * Chooses what to remove: blobs and layers that belong to no reference and no claim, then references, oldest use first,
 * with what only they lead to. A reference stays while it is claimed or one of its images is.
 */
export function chooseGarbage(inventory: Inventory, policy: GarbagePolicy): GarbageChoice {
  const { claims, references } = inventory;
  const blobs = new Shelf(inventory.blobs, [claims.blobs, ...references.map((reference) => reference.blobs)]);
  const layers = new Shelf(inventory.layers, [claims.layers, ...references.map((reference) => reference.layers)]);
  const removable = references
    .filter((reference) => mayGo(reference, claims, policy))
    .sort((a, b) => a.lastUse - b.lastUse || (a.reference < b.reference ? -1 : 1));
  const gone: string[] = [];
  for (const reference of removable) {
    if (policy.neededBytes !== undefined && blobs.bytes + layers.bytes >= policy.neededBytes) break;
    gone.push(reference.reference);
    blobs.drop(reference.blobs);
    layers.drop(reference.layers);
  }
  return { references: gone, blobs: blobs.unused, layers: layers.unused };
}

function mayGo(reference: InventoryReference, claims: AllClaims, { exclude, usedSince }: GarbagePolicy): boolean {
  if (exclude.has(reference.reference) || claims.references.has(reference.reference)) return false;
  if (reference.lastUse >= usedSince) return false;
  return ![...reference.manifests].some((digest) => claims.blobs.has(digest));
}

/** Counts who needs each thing that is there. */
class Shelf {
  readonly #sizes: ReadonlyMap<Digest, number>;
  readonly #users = new Map<Digest, number>();
  readonly unused: Digest[] = [];
  bytes = 0;

  constructor(sizes: ReadonlyMap<Digest, number>, users: readonly ReadonlySet<Digest>[]) {
    this.#sizes = sizes;
    for (const needs of users) {
      for (const digest of needs) this.#users.set(digest, (this.#users.get(digest) ?? 0) + 1);
    }
    for (const digest of sizes.keys()) if (!this.#users.has(digest)) this.#discard(digest);
  }

  drop(needs: ReadonlySet<Digest>): void {
    for (const digest of needs) {
      const left = (this.#users.get(digest) ?? 1) - 1;
      this.#users.set(digest, left);
      if (left === 0) this.#discard(digest);
    }
  }

  #discard(digest: Digest): void {
    const bytes = this.#sizes.get(digest);
    if (bytes === undefined) return;
    this.unused.push(digest);
    this.bytes += bytes;
  }
}
