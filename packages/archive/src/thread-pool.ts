import { availableParallelism } from 'node:os';
import { abortedError, throwIfAborted, toGantryError } from '@gantry/interface';
import type { UnpackResult } from './unpack-layer.js';
import { type ThreadCall, UnpackThread } from './unpack-thread.js';
import type { WorkerRequest } from './worker-messages.js';

/**
 * Layers that `applyLayer` unpacks at once; others wait their turn. As many as there are processors, and one for when the others
 * wait for blobs that grow slowly; each takes some 12 MB, which bounds them.
 */
export const maxUnpacking = Math.min(6, Math.max(2, availableParallelism()) + 1);

/** Milliseconds that a thread is kept for the next request: starting one takes some tens. */
const idleTime = 5_000;

/** Worker threads, started when needed; requests beyond their number wait their turn. */
class ThreadPool {
  readonly #idle: { readonly thread: UnpackThread; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  /** Rejects with `ABORTED`, or with what went wrong, once nothing of the request is under way any more. */
  async run(request: WorkerRequest, call: ThreadCall): Promise<UnpackResult> {
    throwIfAborted(call.signal, call.what);
    if (this.#active === maxUnpacking) await this.#wait(call);
    else this.#active++;
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
      const next = this.#waiting.shift();
      if (next) next();
      else this.#active--;
    }
  }

  /**
   * Starts threads, so that there are so many. They end like others that nothing is asked of. To start one takes milliseconds, so each
   * has a turn of the event loop of its own.
   */
  prepare(count: number): void {
    setImmediate(() => {
      if (this.#idle.length + this.#active >= Math.min(count, maxUnpacking)) return;
      this.#keep(new UnpackThread());
      this.prepare(count);
    });
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

  /** Resolves when another request has handed on its place. */
  #wait({ signal, what }: ThreadCall): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = () => {
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

/** The threads of this process. */
export const threadPool = new ThreadPool();
