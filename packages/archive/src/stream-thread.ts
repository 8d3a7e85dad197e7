import { abortedError, GantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import type { Compression } from './compression.js';
import { startWorker } from './namespace/start-worker.js';
import type { OverlayMarks } from './tree-packer.js';
import { type PortableError, unpackError } from './worker-messages.js';

/** What a stream worker is to do. */
export type StreamJob =
  | {
      readonly type: 'pack';
      readonly folder: string;
      readonly overlay: OverlayMarks;
      readonly mtime: number | undefined;
    }
  | { readonly type: 'copy-out'; readonly root: string; readonly folder: string; readonly name: string }
  | { readonly type: 'copy-in'; readonly root: string; readonly folder: string }
  | { readonly type: 'decode'; readonly compression: Compression };

/** What a stream worker is sent: leave to send one more piece, or the input that it wanted; `undefined` at its end. */
export type StreamRequest =
  | { readonly type: 'more' }
  | { readonly type: 'input'; readonly chunk: Uint8Array | undefined };

/** What a stream worker sends: any number of pieces and wants, then one of the others. */
export type StreamResponse =
  | { readonly type: 'piece'; readonly piece: Uint8Array }
  | { readonly type: 'want' }
  | { readonly type: 'end' }
  | { readonly type: 'failed'; readonly error: PortableError };

/** So many pieces are made ahead of what is read. */
const ahead = 4;

/**
 * The bytes that a job in a worker thread gives, piece by piece; so the thread of the caller is not held. `what` names the call in
 * errors. A job that decodes or copies in takes its input from `source`; the latter gives nothing. `member`: the open folder below
 * /proc of a process in whose user namespace it is to be done.
 */
export async function* runInThread(
  job: StreamJob,
  what: string,
  signal?: AbortSignal,
  source?: AsyncIterable<Uint8Array>,
  member?: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  throwIfAborted(signal, what);
  const thread = new StreamThread(job, what, source?.[Symbol.asyncIterator](), member);
  const onAbort = () => {
    if (signal) thread.settle(abortedError(signal, what));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (let piece = await thread.next(); piece; piece = await thread.next()) {
      throwIfAborted(signal, what);
      yield piece;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await thread.end();
  }
}

/** A worker thread, and the pieces that have come from it. */
class StreamThread {
  readonly #worker: ReturnType<typeof startWorker>;
  readonly #source: AsyncIterator<Uint8Array> | undefined;
  readonly #pieces: Uint8Array[] = [];
  #outcome: { readonly error?: unknown } | undefined;
  #isFeeding = false;
  #wake: (() => void) | undefined;

  constructor(job: StreamJob, what: string, source: AsyncIterator<Uint8Array> | undefined, member: number | undefined) {
    this.#source = source;
    this.#worker = startWorker(new URL('./stream-worker.js', import.meta.url), {
      name: `gantry-${job.type}`,
      data: job,
      member,
      inThread: job.type === 'decode',
    });
    this.#worker.on('message', (response: StreamResponse) => this.#take(response));
    this.#worker.on('error', (error) => this.settle(toGantryError(error, what)));
    this.#worker.on('exit', (status) => {
      this.settle(new GantryError('SYSTEM', `${what}: the worker thread ended with status ${status}`));
    });
    for (let i = 0; i < ahead; i++) this.#send({ type: 'more' });
  }

  /** The next piece; undefined at the end. Rejects with what went wrong once the pieces before it are read. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#pieces.length === 0) {
      if (this.#outcome?.error !== undefined) throw this.#outcome.error;
      if (this.#outcome) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#send({ type: 'more' });
    return this.#pieces.shift();
  }

  /** Ends it with an error, or without one; what happens first counts. */
  settle(error?: unknown): void {
    this.#outcome ??= { error };
    this.#wake?.();
  }

  /** Resolves once the thread is gone, with whatever it had open. */
  async end(): Promise<void> {
    await this.#worker.terminate();
    const left = this.#source?.return?.();
    if (!this.#isFeeding) await left;
    // A source that has not answered yet may never do so; what it says of its end then is of no use to anybody.
    else left?.catch(() => undefined);
  }

  #take(response: StreamResponse): void {
    if (response.type === 'failed') this.settle(unpackError(response.error));
    else if (response.type === 'end') this.settle();
    else if (response.type === 'want') void this.#feed();
    else this.#pieces.push(response.piece);
    this.#wake?.();
  }

  async #feed(): Promise<void> {
    this.#isFeeding = true;
    try {
      const result = await this.#source?.next();
      this.#send({ type: 'input', chunk: result?.done ? undefined : result?.value });
    } catch (error) {
      this.settle(error);
    } finally {
      this.#isFeeding = false;
    }
  }

  #send(request: StreamRequest): void {
    if (request.type === 'more' || !request.chunk) {
      this.#worker.postMessage(request);
      return;
    }
    // A copy of its own: of a view all the memory behind it would be sent.
    const chunk = Uint8Array.from(request.chunk);
    this.#worker.postMessage({ type: 'input', chunk }, [chunk.buffer]);
  }
}
