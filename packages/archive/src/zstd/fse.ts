import { ForwardBits, highBit, malformedZstd } from './bits.js';

/**
 * A decoding table of finite state entropy. RFC 8878, 4.1. By state, in one number: the symbol that it stands for (from bit 24 on), how
 * many bits to read for the next state (from bit 16 on), and the base that their value is added to.
 */
export interface FseTable {
  /** States are numbers of so many bits. */
  readonly log: number;
  readonly states: Int32Array;
}

/** The table of one symbol that needs no bits. */
export function singleSymbolTable(symbol: number): FseTable {
  return { log: 0, states: Int32Array.of(symbol << 24) };
}

/** Reads a table description; `next` is where the bytes behind it start. */
export function readFseTable(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxLog: number,
  maxSymbol: number,
): { readonly table: FseTable; readonly next: number } {
  const input = new ForwardBits(bytes, start, end);
  const log = input.read(4) + 5;
  if (log > maxLog) throw malformedZstd('a table of too many states');
  const counts: number[] = [];
  for (let left = 1 << log; left > 0; ) {
    const count = readCount(input, left);
    counts.push(count);
    left -= Math.abs(count);
    for (let repeats = count === 0 ? 3 : 0; repeats === 3; ) {
      repeats = input.read(2);
      for (let i = 0; i < repeats; i++) counts.push(0);
    }
    if (left < 0 || counts.length > maxSymbol + 1) throw malformedZstd('a table of impossible counts');
  }
  return { table: buildFseTable(counts, log), next: input.nextByte() };
}

/** A count from -1 to `left`: the lower values take one bit less than the others. */
function readCount(input: ForwardBits, left: number): number {
  const bits = highBit(left + 1) + 1;
  const short = (1 << bits) - 2 - left;
  const half = 1 << (bits - 1);
  const value = input.read(bits);
  if ((value & (half - 1)) < short) {
    input.unread(1);
    return (value & (half - 1)) - 1;
  }
  return (value >= half ? value - short : value) - 1;
}

/** Spreads the symbols over the states by their counts; -1 is a symbol that is rarer than 1. */
export function buildFseTable(counts: readonly number[], log: number): FseTable {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const nextStates = new Uint16Array(counts.length);
  let high = size;
  for (const [symbol, count] of counts.entries()) {
    if (count === -1) symbols[--high] = symbol;
    nextStates[symbol] = Math.abs(count);
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let position = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      symbols[position] = symbol;
      do position = (position + step) & (size - 1);
      while (position >= high);
    }
  }
  const states = new Int32Array(size);
  for (const [state, symbol] of symbols.entries()) {
    const next = nextStates[symbol] ?? 0;
    nextStates[symbol] = next + 1;
    const bits = log - highBit(next);
    states[state] = (symbol << 24) | (bits << 16) | ((next << bits) - size);
  }
  return { log, states };
}
