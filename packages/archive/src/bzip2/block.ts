import { type HighBits, malformedBzip2 } from './bits.js';

const maxCodeBits = 20;
const groupSize = 50;
const runA = 0;
const runB = 1;

/** A prefix code in canonical form: by length, the codes up to `limits` are the symbols at `bases` added to them. */
interface PrefixCode {
  readonly minBits: number;
  readonly maxBits: number;
  readonly limits: Int32Array;
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
}

/** A block as it is before the last step: bytes in their sorted order, and where the first one is. */
export interface SortedBlock {
  /** How many bytes there are. */
  readonly count: number;
  /** In the low 8 bits of each place the byte, in the others where the next one is. */
  readonly links: Uint32Array;
  readonly first: number;
}

/** Reads a block behind its checksum into `links`, whose length is the most bytes that it may have. */
export function readBlock(input: HighBits, links: Uint32Array): SortedBlock {
  if (input.read(1) !== 0) throw malformedBzip2('a randomised block, which bzip2 has not written since 1999');
  const origin = input.read(24);
  const used = readUsedBytes(input);
  const codeCount = input.read(3);
  const selectors = readSelectors(input, codeCount);
  const codes = Array.from({ length: codeCount }, () => readCode(input, used.length + 2));
  const count = readSymbols(input, used, codes, selectors, links);
  if (origin >= count) throw malformedBzip2('a block that starts behind its end');
  return { count, links, first: invert(links, count, origin) };
}

function readUsedBytes(input: HighBits): number[] {
  const groups = input.read(16);
  const used: number[] = [];
  for (let group = 0; group < 16; group++) {
    if ((groups & (0x8000 >> group)) === 0) continue;
    const bits = input.read(16);
    for (let i = 0; i < 16; i++) if ((bits & (0x8000 >> i)) !== 0) used.push(group * 16 + i);
  }
  if (used.length === 0) throw malformedBzip2('a block without any byte');
  return used;
}

/** Which code each group of symbols is in, as places in a list where the last used one moves to the front. */
function readSelectors(input: HighBits, codeCount: number): Uint8Array {
  const count = input.read(15);
  if (codeCount < 2 || codeCount > 6 || count === 0) throw malformedBzip2('an impossible count of codes');
  const order = Array.from({ length: codeCount }, (_, i) => i);
  const selectors = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    let place = 0;
    while (input.read(1) === 1) place++;
    const [code] = order.splice(place, 1);
    if (code === undefined) throw malformedBzip2('a code that is none');
    order.unshift(code);
    selectors[i] = code;
  }
  return selectors;
}

function readCode(input: HighBits, symbolCount: number): PrefixCode {
  const lengths = new Uint8Array(symbolCount);
  let length = input.read(5);
  for (let i = 0; i < symbolCount; i++) {
    for (;;) {
      if (length < 1 || length > maxCodeBits) throw malformedBzip2('a code of an impossible length');
      if (input.read(1) === 0) break;
      length += input.read(1) === 0 ? 1 : -1;
    }
    lengths[i] = length;
  }
  const limits = new Int32Array(maxCodeBits + 1).fill(-1);
  const bases = new Int32Array(maxCodeBits + 1);
  const symbols = new Uint16Array(symbolCount);
  let code = 0;
  let at = 0;
  for (let bits = 1; bits <= maxCodeBits; bits++) {
    bases[bits] = at - code;
    for (const [symbol, each] of lengths.entries()) {
      if (each !== bits) continue;
      symbols[at++] = symbol;
      code++;
    }
    if (code > 2 ** bits) throw malformedBzip2('an impossible code');
    limits[bits] = code - 1;
    code *= 2;
  }
  return { minBits: Math.min(...lengths), maxBits: Math.max(...lengths), limits, bases, symbols };
}

/** Undoes the prefix codes, the runs of the commonest byte and the moving to the front. Returns how many bytes came. */
function readSymbols(
  input: HighBits,
  used: readonly number[],
  codes: readonly PrefixCode[],
  selectors: Uint8Array,
  links: Uint32Array,
): number {
  const order = Uint8Array.from(used);
  const end = used.length + 1;
  let count = 0;
  let run = 0;
  let weight = 1;
  for (let group = 0; ; group++) {
    const code = codes[selectors[group] ?? codes.length];
    if (!code) throw malformedBzip2('a block without its end');
    for (let i = 0; i < groupSize; i++) {
      const symbol = readSymbol(input, code);
      if (symbol === runA || symbol === runB) {
        run += weight * (symbol + 1);
        weight *= 2;
        if (count + run > links.length) throw malformedBzip2('a block that is too long');
        continue;
      }
      if (run > 0) {
        links.fill(order[0] ?? 0, count, count + run);
        count += run;
        run = 0;
        weight = 1;
      }
      if (symbol === end) return count;
      if (count === links.length) throw malformedBzip2('a block that is too long');
      const byte = order[symbol - 1] ?? 0;
      order.copyWithin(1, 0, symbol - 1);
      order[0] = byte;
      links[count++] = byte;
    }
  }
}

function readSymbol(input: HighBits, { minBits, maxBits, limits, bases, symbols }: PrefixCode): number {
  const window = input.peek(maxBits);
  for (let bits = minBits; bits <= maxBits; bits++) {
    const code = window >>> (maxBits - bits);
    if (code > (limits[bits] ?? -1)) continue;
    input.skip(bits);
    return symbols[code + (bases[bits] ?? 0)] ?? 0;
  }
  throw malformedBzip2('bits that are no symbol');
}

/** Links each byte to the one behind it in the text, and returns where the text starts. */
function invert(links: Uint32Array, count: number, origin: number): number {
  const starts = new Uint32Array(257);
  for (let i = 0; i < count; i++) {
    const byte = (links[i] ?? 0) + 1;
    starts[byte] = (starts[byte] ?? 0) + 1;
  }
  for (let byte = 1; byte < 257; byte++) starts[byte] = (starts[byte] ?? 0) + (starts[byte - 1] ?? 0);
  for (let i = 0; i < count; i++) {
    const byte = (links[i] ?? 0) & 0xff;
    const place = starts[byte] ?? 0;
    starts[byte] = place + 1;
    links[place] = ((links[place] ?? 0) & 0xff) | (i << 8);
  }
  return (links[origin] ?? 0) >>> 8;
}
