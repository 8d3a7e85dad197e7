import { setImmediate } from 'node:timers/promises';

/** Milliseconds that a piece of work may hold the event loop for. */
const turnMs = 4;

/** Of long work that waits for nothing: gives the event loop back to the host program every few milliseconds. */
export class Turns {
  #since = performance.now();

  async pause(): Promise<void> {
    if (performance.now() - this.#since < turnMs) return;
    await setImmediate();
    this.#since = performance.now();
  }
}
