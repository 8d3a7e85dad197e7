import { invalidArchive } from './errors.js';

/** The room beyond the window, at least: it is what makes moving the window rare. */
const minRoom = 2 ** 21;

/** Below it a loop copies quicker than a call. */
const shortCopy = 32;

/** What a decoder has put out, as far back as matches may reach. Its memory grows with what is in it. */
export class SlidingWindow {
  readonly #reach: number;
  readonly #maxCapacity: number;
  #bytes = Buffer.alloc(0);
  #end = 0;
  /** From here on nothing has been taken. */
  #taken = 0;
  /** Bytes that are no longer kept. */
  #gone = 0;

  /** `reach` is how far back a match may start. */
  constructor(reach: number) {
    this.#reach = reach;
    this.#maxCapacity = reach + Math.max(minRoom, reach >> 2);
  }

  /** Bytes put out so far. */
  get total(): number {
    return this.#gone + this.#end;
  }

  /** Bytes that are decoded, and not taken. */
  get pending(): number {
    return this.#end - this.#taken;
  }

  /** True where so much can only be written once all that is pending has been taken. */
  isFull(size: number): boolean {
    return this.#end + size > this.#maxCapacity;
  }

  /** Makes room for so much, which is less than 2 MiB. */
  reserve(size: number): void {
    if (this.isFull(size)) {
      const kept = Math.min(this.#reach, this.#end);
      this.#bytes.copyWithin(0, this.#end - kept, this.#end);
      this.#gone += this.#end - kept;
      this.#end = kept;
      this.#taken = kept;
    }
    const needed = this.#end + size;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#maxCapacity, Math.max(2 * this.#bytes.length, needed)));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }

  /** A copy of what is pending. */
  take(): Buffer {
    const piece = Buffer.from(this.#bytes.subarray(this.#taken, this.#end));
    this.#taken = this.#end;
    return piece;
  }

  append(source: Uint8Array, start: number, end: number): void {
    if (end - start > shortCopy) {
      this.#bytes.set(source.subarray(start, end), this.#end);
      this.#end += end - start;
      return;
    }
    const bytes = this.#bytes;
    let at = this.#end;
    for (let i = start; i < end; i++) bytes[at++] = source[i] ?? 0;
    this.#end = at;
  }

  put(byte: number): void {
    this.#bytes[this.#end++] = byte;
  }

  /** The byte so far back; 1 is the last one. 0 where there is none. */
  back(offset: number): number {
    return this.#bytes[this.#end - offset] ?? 0;
  }

  fill(byte: number, size: number): void {
    this.#bytes.fill(byte, this.#end, this.#end + size);
    this.#end += size;
  }

  /** Appends what is so far back; where that is less than the length, it repeats. */
  repeat(offset: number, length: number): void {
    if (offset < 1 || offset > this.#end || offset > this.#reach)
      throw invalidArchive('the compressed stream refers to what was before its window');
    const bytes = this.#bytes;
    let at = this.#end;
    if (length > shortCopy && offset >= length) {
      bytes.copyWithin(at, at - offset, at - offset + length);
    } else {
      for (const end = at + length; at < end; at++) bytes[at] = bytes[at - offset] ?? 0;
    }
    this.#end += length;
  }
}
