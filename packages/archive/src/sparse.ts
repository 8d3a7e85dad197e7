import { overBudget } from './budget.js';
import { invalidArchive } from './errors.js';
import { type PaxSparse, parseDecimal } from './pax.js';
import { readSize } from './tar-header.js';

/** A stretch of a file that the archive holds; all else is holes. Bytes. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/** A sparse map that comes in blocks of its own. */
export interface SparseMap {
  /** Whether the blocks are the start of the body, rather than before it. */
  readonly inBody: boolean;
  readonly isComplete: boolean;
  addBlock(block: Buffer): void;
  segments(): readonly Segment[];
}

/** Checks that segments are in order, inside the file, and hold just the bytes stored. */
export function checkSegments(segments: readonly Segment[], realSize: number, stored: number, entry: Buffer): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of segments) {
    if (offset < end || offset + length > realSize) throw invalidArchive('the sparse map is out of order', entry);
    end = offset + length;
    sum += length;
  }
  if (sum !== stored) throw invalidArchive(`the sparse map holds ${sum} bytes, the archive ${stored}`, entry);
}

/** Pairs up the numbers of a sparse map: offset, length, offset, length. */
export function pairSegments(numbers: readonly number[], entry: Buffer): Segment[] {
  if (numbers.length % 2 !== 0) throw invalidArchive('the sparse map has an odd count of numbers', entry);
  const segments: Segment[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    segments.push({ offset: numbers[i] ?? 0, length: numbers[i + 1] ?? 0 });
  }
  return segments;
}

/** What a PAX header says of a sparse file; `mapInBody` where the map is at the start of the body (format 1.0). */
export function readPaxSparse(sparse: PaxSparse, entry: Buffer): { realSize: number; mapInBody: boolean } {
  const { major = 0, minor = 0, realSize } = sparse;
  if (realSize === undefined) throw invalidArchive('a sparse file without its real size', entry);
  if (major === 1 && minor === 0) return { realSize, mapInBody: true };
  if (major === 0 && minor <= 1) return { realSize, mapInBody: false };
  throw invalidArchive(`sparse format ${major}.${minor} is unknown`, entry);
}

/** The map of GNU's old format: four segments in the header, 21 in each block behind it. */
export class OldSparseMap implements SparseMap {
  readonly inBody = false;
  readonly realSize: number;
  readonly #segments: Segment[] = [];
  readonly #entry: Buffer;
  readonly #maxSegments: number;
  #continues: boolean;

  constructor(header: Buffer, entry: Buffer, maxBytes: number) {
    this.#entry = entry;
    this.#maxSegments = maxBytes / 24;
    this.realSize = readSize(header, 483, entry);
    this.#read(header, 386, 4);
    this.#continues = header[482] !== 0;
  }

  get isComplete(): boolean {
    return !this.#continues;
  }

  addBlock(block: Buffer): void {
    if (this.#segments.length > this.#maxSegments)
      throw overBudget('headerBytes', this.#maxSegments * 24, 'a sparse map');
    this.#read(block, 0, 21);
    this.#continues = block[504] !== 0;
  }

  segments(): readonly Segment[] {
    return this.#segments;
  }

  /** An unused place starts with a NUL. */
  #read(block: Buffer, at: number, count: number): void {
    for (let i = at; i < at + count * 24 && block[i] !== 0; i += 24) {
      const offset = readSize(block, i, this.#entry);
      this.#segments.push({ offset, length: readSize(block, i + 12, this.#entry) });
    }
  }
}

/** The map of format 1.0: decimal lines, first how many segments, padded to whole blocks. */
export class BodySparseMap implements SparseMap {
  readonly inBody = true;
  readonly #numbers: number[] = [];
  readonly #entry: Buffer;
  readonly #maxBytes: number;
  #bytes = 0;
  #digits = '';
  #isComplete = false;

  constructor(entry: Buffer, maxBytes: number) {
    this.#entry = entry;
    this.#maxBytes = maxBytes;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  addBlock(block: Buffer): void {
    this.#bytes += block.length;
    if (this.#bytes > this.#maxBytes) throw overBudget('headerBytes', this.#maxBytes, 'a sparse map');
    for (let i = 0; i < block.length && !this.#isComplete; i++) {
      const byte = block[i] ?? 0;
      if (byte === 0x0a) this.#addNumber();
      else if (this.#digits.length < 16) this.#digits += String.fromCharCode(byte);
      else throw invalidArchive('the sparse map is malformed', this.#entry);
    }
  }

  segments(): readonly Segment[] {
    return pairSegments(this.#numbers.slice(1), this.#entry);
  }

  #addNumber(): void {
    this.#numbers.push(parseDecimal(this.#digits, 'the sparse map'));
    this.#digits = '';
    this.#isComplete = this.#numbers.length === 1 + 2 * (this.#numbers[0] ?? 0);
  }
}
