import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { abortedError, throwIfAborted, toGantryError } from '@gantry/interface';
import { isStillGrowing } from './growing-blob.js';
import type { UnpackResult } from './unpack-layer.js';
import { type ThreadCall, UnpackThread } from './unpack-thread.js';
import type { WorkerRequest } from './worker-messages.js';

/**
 * Layers that `applyLayer` unpacks at once; others wait their turn. Each keeps two threads busy: more than there are processors for would
 * only have more caches and compilers to fill.
 */
export const maxUnpacking = Math.min(5, Math.max(1, Math.floor(availableParallelism() / 2)));

/** One more while others wait for blobs that come slowly. Each takes some 12 MB, which bounds them. */
const maxThreads = maxUnpacking + 1;

/** Milliseconds that a thread is kept for the next request: starting one takes some tens. */
const idleTime = 5_000;

/** Worker threads, started when needed; requests beyond their number wait their turn. */
class ThreadPool {
  readonly #idle: { readonly thread: UnpackThread; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #running = new Set<WorkerRequest>();
  #preparing = Promise.resolve();

  /** Rejects with `ABORTED`, or with what went wrong, once nothing of the request is under way any more. */
  async run(request: WorkerRequest, call: ThreadCall): Promise<UnpackResult> {
    throwIfAborted(call.signal, call.what);
    if (this.#hasPlace()) this.#running.add(request);
    else await this.#wait(request, call);
    try {
      const thread = this.#take();
      try {
        return await thread.run(request, call);
      } finally {
        this.#keep(thread);
      }
    } catch (error) {
      throw toGantryError(error, call.what);
    } finally {
      this.#running.delete(request);
      while (this.#waiting.length > 0 && this.#hasPlace()) this.#waiting.shift()?.();
    }
  }

  #hasPlace(): boolean {
    const busy = [...this.#running].filter((request) => !mayWait(request));
    return this.#running.size < maxThreads && busy.length < maxUnpacking;
  }

  /**
   * Starts threads, so that there are so many, and resolves when all are started. They end like others that nothing is asked of. To start
   * one takes milliseconds, so each has a turn of the event loop of its own, and what the caller does next has another.
   */
  prepare(count: number): Promise<void> {
    const prepared = this.#preparing.then(() => this.#start(Math.min(count, maxUnpacking)));
    // Who comes next does not fail for it.
    this.#preparing = prepared.catch(() => undefined);
    return prepared;
  }

  async #start(count: number): Promise<void> {
    while (this.#idle.length + this.#running.size < count) {
      await setImmediate();
      this.#keep(new UnpackThread());
      await setImmediate();
    }
  }

  #take(): UnpackThread {
    const kept = this.#idle.pop();
    clearTimeout(kept?.timer);
    return kept && !kept.thread.hasEnded ? kept.thread : new UnpackThread();
  }

  #keep(thread: UnpackThread): void {
    if (thread.hasEnded) return;
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((kept) => kept.thread === thread),
        1,
      );
      thread.end();
    }, idleTime).unref();
    this.#idle.push({ thread, timer });
  }

  /** Resolves when there is a place for the request, which then has it. */
  #wait(request: WorkerRequest, { signal, what }: ThreadCall): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = () => {
        this.#running.add(request);
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        if (signal) reject(abortedError(signal, what));
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiting.push(go);
    });
  }
}

/** Whether its thread has, at times, nothing to do, as the blob is still coming. */
function mayWait(request: WorkerRequest): boolean {
  return request.type === 'unpack' && request.job.growing !== undefined && isStillGrowing(request.job.growing);
}

/** The threads of this process. */
export const threadPool = new ThreadPool();
