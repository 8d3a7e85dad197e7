import type { ContainerId, Image, ImageStore } from '@gantry/interface';

/**
 * What keeps the images of a containerizer's containers from garbage collection, whichever process collects: a lease a
 * container, named by its id below a prefix that no other state root has.
 */
export class ContainerLeases {
  readonly #store: ImageStore;
  readonly #prefix: string;

  constructor(store: ImageStore, prefix: string) {
    this.#store = store;
    this.#prefix = `${prefix}/`;
  }

  /** Durable when it resolves. */
  take(id: ContainerId, images: readonly Image[]): Promise<void> {
    return this.#store.lease(this.#prefix + id, images);
  }

  /** Idempotent. */
  async release(id: ContainerId): Promise<void> {
    await this.#store.release(this.#prefix + id);
  }

  /** The containers that have one. */
  async *list(): AsyncIterable<ContainerId> {
    for await (const { id } of this.#store.leases()) {
      if (id.startsWith(this.#prefix)) yield id.slice(this.#prefix.length);
    }
  }
}
