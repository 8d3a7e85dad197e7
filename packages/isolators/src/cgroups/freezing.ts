import { setTimeout as delay } from 'node:timers/promises';
import { type CallOptions, GantryError, throwIfAborted } from '@gantry/interface';

const deadlineMs = 10_000;
const longestWaitMs = 50;

/** How long a change of a freezer's state may go on, and who may stop it. */
export class Patience {
  readonly #signal: AbortSignal | undefined;
  readonly #what: string;
  readonly #deadline = performance.now() + deadlineMs;

  constructor(what: string, { signal }: Pick<CallOptions, 'signal'>) {
    this.#what = what;
    this.#signal = signal;
  }

  /** Throws `ABORTED` or `TIMEOUT` if it is at its end. */
  check(): void {
    throwIfAborted(this.#signal, this.#what);
    if (performance.now() < this.#deadline) return;
    throw new GantryError(
      'TIMEOUT',
      `${this.#what}: it did not come about within ${deadlineMs / 1000} s: a process may be waiting for a device, or a ` +
        'control group above be frozen',
    );
  }

  /** Looks again, at growing intervals, until the condition holds. Most processes take microseconds. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    for (let waitMs = 1; !(await condition()); waitMs = Math.min(waitMs * 2, longestWaitMs)) {
      this.check();
      await delay(waitMs);
    }
  }
}
