import { invalidArchive } from '../errors.js';

/** The error for whatever is no bzip2. */
export function malformedBzip2(problem: string): Error {
  return invalidArchive(`the bzip2 stream is malformed: ${problem}`);
}

/** Reads bits, the highest of each byte first. */
export class HighBits {
  readonly #bytes: Uint8Array;
  #position: number;

  /** `position` is where to start, in bits. */
  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  /** At most 24 bits. */
  read(count: number): number {
    const value = this.peek(count);
    this.skip(count);
    return value;
  }

  /** As `read`, but the bits stay, and beyond the end there are zeros. */
  peek(count: number): number {
    const at = this.#position >>> 3;
    const bytes = this.#bytes;
    const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
    const word = high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    return count === 0 ? 0 : (word << (this.#position & 7)) >>> (32 - count);
  }

  skip(count: number): void {
    this.#position += count;
    if (this.#position > this.#bytes.length * 8) throw invalidArchive('the bzip2 stream is cut short');
  }
}
