import type { IncomingMessage } from 'node:http';
import { type Sink, tapOf } from './socket-tap.js';

type Result = IteratorResult<Uint8Array, undefined>;

interface Waiter {
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/** A turn of the event loop reads and hands out at most this much: to hash it takes less than a millisecond. */
const pieceBytes = 1024 * 1024;
/** Its connection cannot be used again, which a small body is not worth. */
const leastBytes = 4 * pieceBytes;

/**
 * The body of a large response, read past the HTTP parser into pieces of up to 1 MiB. Undefined where that cannot be:
 * the length is not known, or the socket has no tap. To be called while the head of the response is being parsed.
 */
export function directBody(response: IncomingMessage, lend: boolean): DirectBody | undefined {
  const { 'content-length': length = '', 'transfer-encoding': coded } = response.headers;
  if (coded !== undefined || !/^[0-9]{1,15}$/.test(length) || Number(length) < leastBytes) return undefined;
  const body = new DirectBody(response, Number(length), lend);
  return tapOf(response.socket)?.divert(body) ? body : undefined;
}

/** See {@link directBody}. The connection ends with the iteration. */
export class DirectBody implements Sink, AsyncIterableIterator<Uint8Array, undefined> {
  readonly #response: IncomingMessage;
  readonly #length: number;
  readonly #lend: boolean;
  readonly #ready: Uint8Array[] = [];
  readonly #spare: Uint8Array[] = [];
  /** Filled up to `at`, and handed out or ready up to `from`. */
  #buffer: Uint8Array = new Uint8Array();
  #from = 0;
  #at = 0;
  /** Bytes that are still to be read; unknown until the parser has let go. */
  #left: number | undefined;
  /** What the caller holds now. */
  #held: Uint8Array | undefined;
  #waiter: Waiter | undefined;
  #flushing = false;
  #failure: { readonly reason: unknown } | undefined;
  #closed = false;

  /** A lent piece is written over once the next one is asked for. */
  constructor(response: IncomingMessage, length: number, lend: boolean) {
    this.#response = response;
    this.#length = length;
    this.#lend = lend;
    // From the first moment and for good: an error event that nobody listens to ends the program.
    response.on('error', (reason) => this.#fail(reason));
    response.once('close', () => this.#fail(connectionReset()));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  room(): Uint8Array {
    // The parser has passed on what came together with the head.
    this.#left ??= this.#length - this.#response.readableLength;
    if (this.#at === this.#buffer.byteLength) {
      const spare = this.#spare.pop();
      this.#buffer = spare ?? Buffer.allocUnsafeSlow(Math.max(1, Math.min(pieceBytes, this.#left)));
      this.#from = 0;
      this.#at = 0;
    }
    return this.#buffer.subarray(this.#at, this.#at + Math.max(1, this.#left));
  }

  filled(bytes: number): boolean {
    if (!this.#left) return false;
    this.#at += bytes;
    this.#left -= bytes;
    if (this.#at === this.#buffer.byteLength || this.#left === 0) this.#cut();
    if (this.#waiter) this.#flushLater();
    return this.#ready.length === 0;
  }

  next(): Promise<Result> {
    const piece = this.#take();
    if (piece) return Promise.resolve({ done: false, value: piece });
    if (this.#failure) return Promise.reject(this.#failure.reason);
    if (this.#closed || this.#left === 0) return this.return();
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  return(): Promise<Result> {
    this.#closed = true;
    this.#ready.length = 0;
    this.#from = this.#at;
    this.#response.destroy();
    return Promise.resolve({ done: true, value: undefined });
  }

  #take(): Uint8Array | undefined {
    this.#recycle();
    // Null unless this is the first time.
    const parsed: Buffer | null = this.#response.read();
    if (parsed) return parsed;
    if (this.#ready.length === 0 && this.#at > this.#from) this.#cut();
    this.#held = this.#ready.shift();
    if (this.#left !== 0) this.#response.socket.resume();
    return this.#held;
  }

  /** The caller is done with what it held: with the last of a buffer the whole buffer is free. */
  #recycle(): void {
    const held = this.#held;
    this.#held = undefined;
    if (!this.#lend || held === undefined || held.buffer.byteLength !== pieceBytes) return;
    if (held.byteOffset + held.byteLength === pieceBytes) this.#spare.push(new Uint8Array(held.buffer));
  }

  #cut(): void {
    this.#ready.push(this.#buffer.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  /** After all that this turn of the event loop brings. */
  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter) this.next().then(waiter.resolve, waiter.reject);
  }

  /** The first failure counts, and none once everything has come. What came before it is still handed out. */
  #fail(reason: unknown): void {
    if (this.#closed || this.#left === 0) return;
    this.#failure ??= { reason };
    this.#flush();
  }
}

function connectionReset(): Error {
  return Object.assign(new Error('the connection ended before the body did'), { code: 'ECONNRESET' });
}
