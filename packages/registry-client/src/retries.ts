import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from './call.js';
import { Fault } from './fault.js';
import type { RegistryRetries } from './options.js';

/** Counts the attempts of one request and waits between them. */
export class Retries {
  readonly #call: Call;
  readonly #policy: RegistryRetries;
  #attempts = 0;

  constructor(call: Call, policy: RegistryRetries) {
    this.#call = call;
    this.#policy = policy;
  }

  /** Returns when it is time for the next attempt, or throws what the failed one means if there is to be none. */
  async after(failure: unknown): Promise<void> {
    this.#call.throwIfEnded();
    if (!(failure instanceof Fault)) throw failure;
    const { attempts, waitMs } = failure.advice;
    this.#attempts++;
    if (this.#attempts >= Math.min(attempts, this.#call.attempts, this.#policy.attempts)) throw failure.error;
    if (waitMs !== undefined && waitMs > this.#policy.capMs) throw failure.error;
    const delayMs = Math.max(waitMs ?? 0, backoffMs(this.#attempts, this.#policy, Math.random()));
    this.#call.report({
      type: 'retrying',
      what: this.#call.what,
      attempt: this.#attempts + 1,
      delayMs,
      reason: failure.error.message,
    });
    await sleep(delayMs, undefined, { signal: this.#call.signal }).catch(() => undefined);
    this.#call.throwIfEnded();
  }
}

/** Milliseconds to wait after the n-th failed attempt: doubled each time, capped, and spread by `random` (0 to 1) over its upper half. */
export function backoffMs(failed: number, policy: Pick<RegistryRetries, 'baseMs' | 'capMs'>, random: number): number {
  const full = Math.min(policy.capMs, policy.baseMs * 2 ** (failed - 1));
  return Math.round(full * (0.5 + random / 2));
}

/** Milliseconds that a Retry-After header asks for (RFC 9110, 10.2.3): seconds, or a date compared with `now`. Undefined if unreadable. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
