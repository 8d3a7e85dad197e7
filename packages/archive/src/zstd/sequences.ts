import type { SlidingWindow } from '../sliding-window.js';
import { BackwardBits, bitsAt, malformedZstd } from './bits.js';
import { buildFseTable, type FseTable, readFseTable, singleSymbolTable } from './fse.js';

/** One of the three codes of a sequence. */
interface Code {
  readonly maxLog: number;
  /** By symbol: the least value, and how many bits are read to add to it. */
  readonly bases: Int32Array;
  readonly extraBits: Uint8Array;
  readonly predefined: FseTable;
}

/** Values from a first one on, each as far from the next as its extra bits reach. */
function makeCode(
  maxLog: number,
  first: number,
  extra: readonly number[],
  log: number,
  counts: readonly number[],
): Code {
  const bases = new Int32Array(extra.length);
  let base = first;
  for (const [symbol, bits] of extra.entries()) {
    bases[symbol] = base;
    base += 2 ** bits;
  }
  return { maxLog, bases, extraBits: Uint8Array.from(extra), predefined: buildFseTable(counts, log) };
}

function repeated(count: number, value: number): number[] {
  return new Array<number>(count).fill(value);
}

/** RFC 8878, 3.1.1.3.2.1.1 and 3.1.1.3.2.2. */
const literalLengths = makeCode(
  9,
  0,
  [...repeated(16, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  6,
  [4, 3, ...repeated(11, 2), 1, 1, 1, ...repeated(9, 2), 3, 2, ...repeated(5, 1), ...repeated(4, -1)],
);
const matchLengths = makeCode(
  9,
  3,
  [...repeated(32, 0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  6,
  [1, 4, 3, ...repeated(6, 2), ...repeated(37, 1), ...repeated(7, -1)],
);
const offsets = makeCode(
  8,
  1,
  Array.from({ length: 31 }, (_, bits) => bits),
  5,
  [...repeated(6, 1), 2, 2, 2, ...repeated(15, 1), ...repeated(5, -1)],
);

/** Decodes the sequences of a block and carries them out, and keeps what later blocks refer to. RFC 8878, 3.1.1.3.2 and 3.1.1.4. */
export class SequencesDecoder {
  /** For literal lengths, offsets and match lengths, in the order of their descriptions. */
  readonly #tables: (FseTable | undefined)[] = [undefined, undefined, undefined];
  #recent: [number, number, number] = [1, 4, 8];

  /** Writes what a block stands for: at most `maxSize` bytes. The section starts at `start`. */
  execute(block: Uint8Array, start: number, literals: Uint8Array, window: SlidingWindow, maxSize: number): void {
    const first = block[start] ?? -1;
    if (first < 0) throw malformedZstd('a block without its sequences');
    const size = first < 128 ? 1 : first < 255 ? 2 : 3;
    const [second, third] = [block[start + 1] ?? 0, block[start + 2] ?? 0];
    const count = size === 1 ? first : size === 2 ? (first - 128) * 256 + second : second + third * 256 + 0x7f00;
    if (count === 0) {
      if (start + size !== block.length) throw malformedZstd('bytes behind a block without sequences');
      window.append(literals, 0, literals.length);
      return;
    }
    const next = this.#readTables(block, start + size);
    this.#run(block, next, count, literals, window, maxSize);
  }

  #readTables(block: Uint8Array, start: number): number {
    const modes = block[start] ?? 3;
    if ((modes & 3) !== 0) throw malformedZstd('reserved bits are set');
    let at = start + 1;
    for (const [i, code] of [literalLengths, offsets, matchLengths].entries()) {
      const mode = (modes >> (6 - 2 * i)) & 3;
      const maxSymbol = code.bases.length - 1;
      if (mode === 0) {
        this.#tables[i] = code.predefined;
      } else if (mode === 1) {
        const symbol = block[at++] ?? 255;
        if (symbol > maxSymbol) throw malformedZstd('a symbol that is none');
        this.#tables[i] = singleSymbolTable(symbol);
      } else if (mode === 2) {
        const { table, next } = readFseTable(block, at, block.length, code.maxLog, maxSymbol);
        this.#tables[i] = table;
        at = next;
      }
    }
    return at;
  }

  /** One loop with all it needs in variables: this is where the time goes. */
  #run(
    block: Uint8Array,
    start: number,
    count: number,
    literals: Uint8Array,
    window: SlidingWindow,
    maxSize: number,
  ): void {
    const [lengthTable, offsetTable, matchTable] = this.#tables;
    if (!lengthTable || !offsetTable || !matchTable) throw malformedZstd('a table is used again that was never there');
    const first = start * 8;
    let position = first + new BackwardBits(block, start, block.length).left;
    position -= lengthTable.log;
    let lengthState = lengthTable.states[bitsAt(block, position, lengthTable.log)] ?? 0;
    position -= offsetTable.log;
    let offsetState = offsetTable.states[bitsAt(block, position, offsetTable.log)] ?? 0;
    position -= matchTable.log;
    let matchState = matchTable.states[bitsAt(block, position, matchTable.log)] ?? 0;
    let [recent, second, third] = this.#recent;
    let used = 0;
    let left = maxSize - literals.length;
    for (let i = 0; i < count; i++) {
      const offsetBits = offsetState >> 24;
      position -= offsetBits;
      const value = (1 << offsetBits) + longBitsAt(block, position, offsetBits);
      let bits = matchLengths.extraBits[matchState >> 24] ?? 0;
      position -= bits;
      const match = (matchLengths.bases[matchState >> 24] ?? 0) + bitsAt(block, position, bits);
      bits = literalLengths.extraBits[lengthState >> 24] ?? 0;
      position -= bits;
      const length = (literalLengths.bases[lengthState >> 24] ?? 0) + bitsAt(block, position, bits);
      if (i + 1 < count) {
        bits = (lengthState >> 16) & 0xff;
        position -= bits;
        lengthState = lengthTable.states[(lengthState & 0xffff) + bitsAt(block, position, bits)] ?? 0;
        bits = (matchState >> 16) & 0xff;
        position -= bits;
        matchState = matchTable.states[(matchState & 0xffff) + bitsAt(block, position, bits)] ?? 0;
        bits = (offsetState >> 16) & 0xff;
        position -= bits;
        offsetState = offsetTable.states[(offsetState & 0xffff) + bitsAt(block, position, bits)] ?? 0;
      }
      left -= match;
      if (position < first || left < 0 || used + length > literals.length) {
        throw malformedZstd('sequences that go beyond their block');
      }

      // Values up to 3 mean one of the last three offsets; one further where there are no literals.
      const choice = value > 3 ? 4 : value + (length === 0 ? 1 : 0);
      if (choice > 1) {
        const offset = value > 3 ? value - 3 : choice === 2 ? second : choice === 3 ? third : recent - 1;
        if (choice !== 2) third = second;
        second = recent;
        recent = offset;
      }
      window.append(literals, used, used + length);
      used += length;
      window.repeat(recent, match);
    }
    if (position !== first) throw malformedZstd('bits behind the last sequence');
    this.#recent = [recent, second, third];
    window.append(literals, used, literals.length);
  }
}

/** Up to 32 bits, of which one call gets 24. */
function longBitsAt(bytes: Uint8Array, position: number, count: number): number {
  if (count <= 24) return bitsAt(bytes, position, count);
  return bitsAt(bytes, position + 16, count - 16) * 65_536 + bitsAt(bytes, position, 16);
}
