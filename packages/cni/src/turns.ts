/** Work that waits for its turn (specification, section 3, lifecycle and ordering). */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #gates = new Map<string, Gate>();

  /** One after the other for a container, and not while a network is being collected. */
  attach<T>(containerID: string, network: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(containerID) ?? Promise.resolve();
    const mine = before.then(() => this.#gate(network).shared(work));
    const settled = mine
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(containerID) === settled) this.#last.delete(containerID);
      });
    this.#last.set(containerID, settled);
    return mine;
  }

  /** While nothing is attached to a network, or detached. */
  collect<T>(network: string, work: () => Promise<T>): Promise<T> {
    return this.#gate(network).exclusive(work);
  }

  #gate(network: string): Gate {
    const gate = this.#gates.get(network) ?? new Gate();
    this.#gates.set(network, gate);
    return gate;
  }
}

/** Many at once, or one alone, who lets no more in while he waits. */
class Gate {
  readonly #inside = new Set<Promise<unknown>>();
  #alone: Promise<unknown> | undefined;

  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone) await this.#alone;
    const mine = work();
    const settled = mine.catch(() => undefined);
    this.#inside.add(settled);
    try {
      return await mine;
    } finally {
      this.#inside.delete(settled);
    }
  }

  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone) await this.#alone;
    const mine = Promise.all(this.#inside).then(work);
    this.#alone = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#alone = undefined;
    }
  }
}
