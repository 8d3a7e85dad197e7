/** Work that several calls wait for: done once for all of them, and stopped when the last one has lost interest. */
export class SharedWork<T> {
  readonly #running = new Map<
    string,
    { readonly outcome: Promise<T>; readonly controller: AbortController; waiters: number }
  >();

  /**
   * The outcome of the work of this name, which `start` begins if nobody has. Rejects with the signal's reason when it
   * fires; the others' signals do not matter.
   */
  async join(name: string, signal: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (signal.aborted) throw signal.reason;
    const work = this.#running.get(name) ?? this.#begin(name, start);
    work.waiters++;
    let onAbort: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([work.outcome, aborted]);
    } finally {
      if (onAbort) signal.removeEventListener('abort', onAbort);
      work.waiters--;
      if (work.waiters === 0) {
        if (this.#running.get(name) === work) this.#running.delete(name);
        work.controller.abort();
      }
    }
  }

  #begin(name: string, start: (signal: AbortSignal) => Promise<T>) {
    const controller = new AbortController();
    const work = { outcome: start(controller.signal), controller, waiters: 0 };
    // Who waits is told; nobody may be left to be.
    work.outcome.catch(() => undefined);
    this.#running.set(name, work);
    const forget = () => {
      if (this.#running.get(name) === work) this.#running.delete(name);
    };
    work.outcome.then(forget, forget);
    return work;
  }
}
