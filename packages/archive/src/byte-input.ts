import { invalidArchive } from './errors.js';

const nothing = Buffer.alloc(0);

/** Takes exact counts of bytes from a stream of chunks. */
export class ByteInput {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #what: string;
  #chunk: Buffer = nothing;
  #at = 0;
  #isDone = false;

  /** `what` names the stream in errors: `zstd`. */
  constructor(source: AsyncIterable<Uint8Array>, what: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#what = what;
  }

  /** True where no byte is left. */
  async isAtEnd(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      if (!(await this.#pull())) return true;
    }
    return false;
  }

  /** The next bytes: a view of a chunk where that holds them all. `INVALID_ARCHIVE` where there are not so many. */
  async take(size: number): Promise<Buffer> {
    if (this.#chunk.length - this.#at >= size) return this.#advance(size);
    const bytes = Buffer.allocUnsafe(size);
    for (let fill = 0; fill < size; ) {
      if (await this.isAtEnd()) throw invalidArchive(`the ${this.#what} stream is cut short`);
      const part = this.#advance(Math.min(size - fill, this.#chunk.length - this.#at));
      part.copy(bytes, fill);
      fill += part.length;
    }
    return bytes;
  }

  /** Passes over bytes. `INVALID_ARCHIVE` where there are not so many. */
  async skip(size: number): Promise<void> {
    for (let left = size; left > 0; ) {
      if (await this.isAtEnd()) throw invalidArchive(`the ${this.#what} stream is cut short`);
      left -= this.#advance(Math.min(left, this.#chunk.length - this.#at)).length;
    }
  }

  async close(): Promise<void> {
    if (!this.#isDone) await this.#source.return?.();
  }

  #advance(size: number): Buffer {
    const part = this.#chunk.subarray(this.#at, this.#at + size);
    this.#at += size;
    return part;
  }

  async #pull(): Promise<boolean> {
    if (this.#isDone) return false;
    const { done, value } = await this.#source.next();
    this.#at = 0;
    this.#chunk = done ? nothing : Buffer.from(value.buffer, value.byteOffset, value.length);
    if (done) this.#isDone = true;
    return !done;
  }
}
