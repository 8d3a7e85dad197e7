import { BackwardBits, bitsAt, highBit, malformedZstd } from './bits.js';
import { readFseTable } from './fse.js';

/** A prefix code: what the next bits of the stream, so many as the longest code has, stand for. RFC 8878, 4.2. */
interface HuffmanTable {
  readonly maxBits: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
}

const maxCodeBits = 11;

/** Decodes the literals of a block, and keeps the prefix code for blocks that use it again. RFC 8878, 3.1.1.3.1. */
export class LiteralsDecoder {
  #table: HuffmanTable | undefined;

  /** The literals, maybe a view of the block, and where the bytes behind them start. */
  decode(block: Uint8Array, maxSize: number): { readonly literals: Uint8Array; readonly next: number } {
    const type = (block[0] ?? 0) & 3;
    const format = ((block[0] ?? 0) >> 2) & 3;
    if (type < 2) return plainLiterals(block, type === 1, format, maxSize);
    const headerSize = format < 2 ? 3 : format + 2;
    const sizeBits = headerSize * 4 - 2;
    const size = bitsAt(block, 4, sizeBits);
    const stored = bitsAt(block, 4 + sizeBits, sizeBits);
    const end = headerSize + stored;
    if (size > maxSize || end > block.length) throw malformedZstd('literals of an impossible size');
    let start = headerSize;
    if (type === 2) {
      const { table, next } = readHuffmanTable(block, start, end);
      this.#table = table;
      start = next;
    }
    if (!this.#table) throw malformedZstd('literals without a prefix code');
    const literals = new Uint8Array(size);
    if (format === 0) decodeStream(this.#table, block, start, end, literals);
    else decodeStreams(this.#table, block, start, end, literals);
    return { literals, next: end };
  }
}

function plainLiterals(
  block: Uint8Array,
  isRepeated: boolean,
  format: number,
  maxSize: number,
): { literals: Uint8Array; next: number } {
  const headerSize = format === 1 ? 2 : format === 3 ? 3 : 1;
  const size = headerSize === 1 ? bitsAt(block, 3, 5) : bitsAt(block, 4, headerSize * 8 - 4);
  const next = headerSize + (isRepeated ? 1 : size);
  if (size > maxSize || next > block.length) throw malformedZstd('literals of an impossible size');
  const literals = isRepeated ? new Uint8Array(size).fill(block[headerSize] ?? 0) : block.subarray(headerSize, next);
  return { literals, next };
}

/** Four streams, whose sizes are in a table before them, but for the last. */
function decodeStreams(table: HuffmanTable, block: Uint8Array, start: number, end: number, out: Uint8Array): void {
  const quarter = (out.length + 3) >> 2;
  let at = start + 6;
  if (at > end || quarter * 3 > out.length) throw malformedZstd('literals without their four streams');
  for (let i = 0; i < 4; i++) {
    const size = i < 3 ? bitsAt(block, (start + 2 * i) * 8, 16) : end - at;
    if (at + size > end) throw malformedZstd('a stream of literals longer than its block');
    decodeStream(table, block, at, at + size, out.subarray(i * quarter, i < 3 ? (i + 1) * quarter : undefined));
    at += size;
  }
}

function decodeStream(table: HuffmanTable, block: Uint8Array, start: number, end: number, out: Uint8Array): void {
  const { maxBits, symbols, bits } = table;
  const first = start * 8;
  let position = first + new BackwardBits(block, start, end).left;
  const mask = (1 << maxBits) - 1;
  for (let i = 0; i < out.length; i++) {
    const from = position - maxBits;
    let code: number;
    if (from >= first) {
      const at = from >>> 3;
      const word = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8) | ((block[at + 2] ?? 0) << 16);
      code = (word >>> (from & 7)) & mask;
    } else {
      if (position < first) break;
      code = bitsAt(block, first, position - first) << (first - from);
    }
    out[i] = symbols[code] ?? 0;
    position -= bits[code] ?? 0;
  }
  if (position !== first) throw malformedZstd('a stream of literals of the wrong length');
}

function readHuffmanTable(block: Uint8Array, start: number, end: number): { table: HuffmanTable; next: number } {
  const header = block[start] ?? 0;
  const at = start + 1;
  const next = at + (header < 128 ? header : (header - 126) >> 1);
  if (start >= end || next > end) throw malformedZstd('a prefix code is cut short');
  const weights = header < 128 ? compressedWeights(block, at, next) : plainWeights(block, at, header - 127);
  return { table: buildHuffmanTable(weights), next };
}

function plainWeights(block: Uint8Array, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const byte = block[at + (i >> 1)] ?? 0;
    return i % 2 === 0 ? byte >> 4 : byte & 15;
  });
}

/** Two states that take turns, until one would need more bits than there are. */
function compressedWeights(block: Uint8Array, start: number, end: number): number[] {
  const { table, next } = readFseTable(block, start, end, 6, 255);
  const input = new BackwardBits(block, next, end);
  const weights: number[] = [];
  let state = input.read(table.log);
  let other = input.read(table.log);
  if (input.left < 0) throw malformedZstd('a prefix code is cut short');
  while (weights.length < 255) {
    const present = table.states[state] ?? 0;
    weights.push(present >>> 24);
    state = other;
    other = (present & 0xffff) + input.read((present >> 16) & 0xff);
    if (input.left >= 0) continue;
    weights.push((table.states[state] ?? 0) >>> 24);
    return weights;
  }
  throw malformedZstd('a prefix code of too many symbols');
}

/** The last symbol's weight is what is missing to a power of two. */
function buildHuffmanTable(weights: readonly number[]): HuffmanTable {
  const sum = weights.reduce((total, weight) => total + (weight > 0 ? 2 ** (weight - 1) : 0), 0);
  const maxBits = sum > 0 ? highBit(sum) + 1 : 0;
  const missing = 2 ** maxBits - sum;
  if (maxBits === 0 || maxBits > maxCodeBits || weights.length > 255 || 2 ** highBit(missing) !== missing) {
    throw malformedZstd('an impossible prefix code');
  }
  const complete = [...weights, highBit(missing) + 1];
  const symbols = new Uint8Array(2 ** maxBits);
  const bits = new Uint8Array(2 ** maxBits);
  let at = 0;
  for (let weight = 1; weight <= maxBits; weight++) {
    for (const [symbol, found] of complete.entries()) {
      if (found !== weight) continue;
      const end = at + 2 ** (weight - 1);
      symbols.fill(symbol, at, end);
      bits.fill(maxBits + 1 - weight, at, end);
      at = end;
    }
  }
  return { maxBits, symbols, bits };
}
