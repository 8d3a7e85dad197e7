import { invalidArchive } from '../errors.js';

/** The error for whatever RFC 8878 does not allow. */
export function malformedZstd(problem: string): Error {
  return invalidArchive(`the zstd stream is malformed: ${problem}`);
}

/** The place of the highest bit that is set; -1 for 0. */
export function highBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** Reads a bit stream from its start, the lowest bit of each byte first. */
export class ForwardBits {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = end * 8;
    this.#position = start * 8;
  }

  /** At most 16 bits, which may reach beyond the end: `nextByte` tells. */
  read(count: number): number {
    const value = bitsAt(this.#bytes, this.#position, count);
    this.#position += count;
    return value;
  }

  unread(count: number): void {
    this.#position -= count;
  }

  /** Where the byte behind the bits read so far is. */
  nextByte(): number {
    if (this.#position > this.#end) throw malformedZstd('a table is cut short');
    return (this.#position + 7) >>> 3;
  }
}

/**
 * Reads a bit stream from its end. RFC 8878, 4.1: the highest bit that is set in the last byte only marks where it starts. Fewer
 * bits than asked for are filled up with zeros, and `left` is negative then.
 */
export class BackwardBits {
  readonly #bytes: Uint8Array;
  readonly #first: number;
  #position: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    const last = end > start ? (bytes[end - 1] ?? 0) : 0;
    if (last === 0) throw malformedZstd('a bit stream without its start');
    this.#bytes = bytes;
    this.#first = start * 8;
    this.#position = end * 8 - 8 + highBit(last);
  }

  /** How many bits there are still. */
  get left(): number {
    return this.#position - this.#first;
  }

  /** At most 16 bits. */
  read(count: number): number {
    this.#position -= count;
    if (this.#position >= this.#first) return bitsAt(this.#bytes, this.#position, count);
    const known = Math.max(0, this.left + count);
    return bitsAt(this.#bytes, this.#first, known) << (count - known);
  }
}

/** Up to 24 bits at a place in bits; what is beyond the array is 0. */
export function bitsAt(bytes: Uint8Array, position: number, count: number): number {
  const at = position >>> 3;
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  const word = low | ((bytes[at + 3] ?? 0) << 24);
  return (word >>> (position & 7)) & ((1 << count) - 1);
}
