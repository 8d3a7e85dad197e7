import { abortedError, GantryError, toGantryError } from '@gantry/interface';
import { startWorker } from './namespace/start-worker.js';
import type { UnpackResult } from './unpack-layer.js';
import { unpackError, type WorkerRequest, type WorkerResponse } from './worker-messages.js';

/** What a caller may want to hear or say while its request is worked on. */
export interface ThreadCall {
  /** Names the call in its errors. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((current: number, total: number) => void) | undefined;
}

interface Running extends ThreadCall {
  readonly resolve: (result: UnpackResult) => void;
  readonly reject: (error: GantryError) => void;
  readonly onAbort: () => void;
}

/** One worker thread and the one request it works on. While it has none, it does not keep the process alive. */
export class UnpackThread {
  readonly #worker: ReturnType<typeof startWorker>;
  #running: Running | undefined;
  #fault: unknown;
  #hasEnded = false;

  constructor() {
    this.#worker = startWorker(new URL('./unpack-worker.js', import.meta.url), { name: 'gantry-unpack' });
    this.#worker.unref();
    this.#worker.on('message', (response: WorkerResponse) => this.#take(response));
    this.#worker.on('error', (error) => {
      this.#fault = error;
    });
    this.#worker.on('exit', (status) => this.#ended(status));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Settles when the thread is done with the request, or, after an abort or a fault, when the thread has ended. */
  run(request: WorkerRequest, call: ThreadCall): Promise<UnpackResult> {
    return new Promise((resolve, reject) => {
      const onAbort = () => this.end();
      this.#running = { ...call, resolve, reject, onAbort };
      call.signal?.addEventListener('abort', onAbort, { once: true });
      this.#worker.ref();
      this.#worker.postMessage(request);
    });
  }

  end(): void {
    void this.#worker.terminate();
  }

  #take(response: WorkerResponse): void {
    // After an abort only the end of the thread counts.
    if (this.#running?.signal?.aborted) return;
    if (response.type === 'progress') {
      this.#running?.onBytes?.(response.current, response.total);
      return;
    }
    const running = this.#release();
    if (response.type === 'done') running?.resolve(response.result);
    else running?.reject(unpackError(response.error));
  }

  #ended(status: number): void {
    this.#hasEnded = true;
    const running = this.#release();
    if (!running) return;
    if (running.signal?.aborted) running.reject(abortedError(running.signal, running.what));
    else if (this.#fault !== undefined) running.reject(toGantryError(this.#fault, running.what));
    else running.reject(new GantryError('SYSTEM', `${running.what}: the worker thread ended with status ${status}`));
  }

  #release(): Running | undefined {
    const running = this.#running;
    this.#running = undefined;
    running?.signal?.removeEventListener('abort', running.onAbort);
    this.#worker.unref();
    return running;
  }
}
