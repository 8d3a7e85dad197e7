import { setTimeout as delay } from 'node:timers/promises';
import {
  abortedError,
  type CallOptions,
  type ContainerId,
  type Containerizer,
  GantryError,
  isGantryError,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { type CompleteHealthCheck, completeCheck, type HealthCheck } from './check.js';
import { type ProbeTarget, runProbe } from './probe.js';
import { addAnswer, type HealthState, type HealthTally, noAnswers } from './tally.js';

/** What {@link checkHealth} needs of a containerizer. */
export type HealthTarget = ProbeTarget & Pick<Containerizer, 'status' | 'wait'>;

/** One answer of a container, and what it is taken for after it. */
export interface HealthResult {
  /** When it was asked: milliseconds since the epoch. */
  readonly at: number;
  readonly durationMs: number;
  readonly healthy: boolean;
  /** For people. */
  readonly message: string;
  readonly state: HealthState;
}

/**
 * Iterating gives the results from the last 100 on, to any number of readers; one who is slower misses the oldest. It ends when the
 * container does or the watch is disposed, and fails with `ABORTED` if the signal fired. Disposing it resolves once the
 * probe under way has ended.
 */
export interface HealthWatch extends AsyncIterable<HealthResult>, AsyncDisposable {
  readonly state: HealthState;
}

/** Options of {@link checkHealth}. */
export interface HealthOptions extends Pick<CallOptions, 'signal'> {
  /** Called synchronously when the state is another; what it throws is reported as an unhandled error of the host program's own. */
  readonly onChange?: (state: HealthState, result: HealthResult) => void;
}

const maxKept = 100;

/**
 * Asks a running container again and again how it is, for liveness or readiness; what to do about it is the caller's. Times count
 * from the container's start, also for a host program that came later. A PAUSED container is not asked.
 *
 * @throws `INVALID_ARGUMENT` for the check, `NOT_FOUND`, `WRONG_STATE` if the container does not run, `ABORTED`.
 */
export async function checkHealth(
  containerizer: HealthTarget,
  id: ContainerId,
  check: HealthCheck,
  options: HealthOptions = {},
): Promise<HealthWatch> {
  const what = `checking the health of container ${id}`;
  const complete = completeCheck(check);
  throwIfAborted(options.signal, what);
  const { state, startedAt } = await containerizer.status(id);
  if (state !== 'RUNNING' && state !== 'PAUSED') {
    throw new GantryError('WRONG_STATE', `${what}: it is ${state}, not RUNNING`, { details: { id, state } });
  }
  throwIfAborted(options.signal, what);
  return new Watch(containerizer, id, complete, options, startedAt ?? Date.now());
}

class Watch implements HealthWatch {
  readonly #target: HealthTarget;
  readonly #id: ContainerId;
  readonly #check: CompleteHealthCheck;
  readonly #options: HealthOptions;
  /** Of the monotonic clock. */
  readonly #startedAt: number;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #tally: HealthTally = noAnswers;
  readonly #results: HealthResult[] = [];
  #count = 0;
  #isOver = false;
  #failure: GantryError | undefined;
  #readers: (() => void)[] = [];

  constructor(
    target: HealthTarget,
    id: ContainerId,
    check: CompleteHealthCheck,
    options: HealthOptions,
    startedAt: number,
  ) {
    this.#target = target;
    this.#id = id;
    this.#check = check;
    this.#options = options;
    this.#startedAt = performance.now() - Math.max(0, Date.now() - startedAt);
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    this.#ended = this.#run();
  }

  get state(): HealthState {
    return this.#tally.state;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HealthResult, void, undefined> {
    for (let next = 0; ; ) {
      const first = this.#count - this.#results.length;
      const result = this.#results[Math.max(next, first) - first];
      if (result) {
        next = Math.max(next, first) + 1;
        yield result;
      } else if (this.#isOver) {
        if (this.#failure) throw this.#failure;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#readers.push(resolve);
        });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const over = () => this.#stop.abort();
    // Closing the containerizer rejects it, or nothing ever does: then the next look at the status ends the watch.
    this.#target.wait(this.#id, { signal }).then(over, over);
    try {
      await delay(Math.max(0, this.#startedAt + this.#check.delayMs - performance.now()), undefined, { signal });
      while (await this.#turn(signal)) await delay(this.#check.intervalMs, undefined, { signal });
    } catch (error) {
      const isEnd = signal.aborted || isGantryError(error, 'NOT_FOUND') || isGantryError(error, 'CLOSED');
      if (!isEnd) this.#failure ??= toGantryError(error, `checking the health of container ${this.#id}`);
    } finally {
      this.#stop.abort();
      this.#options.signal?.removeEventListener('abort', this.#abort);
      this.#isOver = true;
      this.#wake();
    }
  }

  /** One look at the container; false once it does not run any more. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    const { state } = await this.#target.status(this.#id);
    if (state !== 'RUNNING') return state === 'PAUSED';
    const [at, start] = [Date.now(), performance.now()];
    const answer = await runProbe(this.#target, this.#id, this.#check, this.#check.timeoutMs, signal);
    if (signal.aborted) return false;
    // One that ended or was paused meanwhile could not answer.
    if (!answer) return true;
    if (!answer.healthy && (await this.#target.status(this.#id)).state !== 'RUNNING') return true;
    this.#take({ at, durationMs: performance.now() - start, ...answer });
    return true;
  }

  #take(answer: Omit<HealthResult, 'state'>): void {
    const before = this.#tally.state;
    const inGrace = performance.now() - this.#startedAt < this.#check.gracePeriodMs;
    this.#tally = addAnswer(this.#tally, answer.healthy, inGrace, this.#check);
    const result = { ...answer, state: this.#tally.state };
    if (this.#results.length === maxKept) this.#results.shift();
    this.#results.push(result);
    this.#count++;
    this.#wake();
    if (result.state === before) return;
    try {
      this.#options.onChange?.(result.state, result);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #wake(): void {
    for (const resolve of this.#readers.splice(0)) resolve();
  }

  #abort = (): void => {
    const { signal } = this.#options;
    if (signal) this.#failure = abortedError(signal, `checking the health of container ${this.#id}`);
    this.#stop.abort();
  };
}
