import { invalidArchive } from '../errors.js';
import type { SlidingWindow } from '../sliding-window.js';

/** The error for whatever xz does not allow. */
export function malformedXz(problem: string): Error {
  return invalidArchive(`the xz stream is malformed: ${problem}`);
}

const half = 1024;
const topBits = 2 ** 24;
const lengthSlots = 4;
const endOfSlots = 14;
const alignBits = 4;

function probabilities(count: number): Uint16Array {
  return new Uint16Array(count).fill(half);
}

/** The probabilities of a match's length: short, middle and long ones. */
class LengthModel {
  readonly choice = probabilities(2);
  readonly low = probabilities(16 << 3);
  readonly middle = probabilities(16 << 3);
  readonly high = probabilities(256);
}

/** Decodes LZMA into a window, chunk by chunk as LZMA2 has it. The LZMA specification of the 7-Zip SDK. */
export class LzmaDecoder {
  readonly #window: SlidingWindow;
  #literalContext = 0;
  #literalMask = 0;
  #positionMask = 0;

  #literals = probabilities(0);
  #isMatch = probabilities(0);
  #isRep = probabilities(0);
  #isRep0 = probabilities(0);
  #isRep1 = probabilities(0);
  #isRep2 = probabilities(0);
  #isRep0Long = probabilities(0);
  #slots = probabilities(0);
  #special = probabilities(0);
  #align = probabilities(0);
  #lengths = new LengthModel();
  #repLengths = new LengthModel();

  #state = 0;
  /** The last four distances. */
  #recent = 1;
  #second = 1;
  #third = 1;
  #fourth = 1;

  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #range = 0;
  #code = 0;

  constructor(window: SlidingWindow) {
    this.#window = window;
  }

  /** Takes the byte that says how literals and positions are modelled, and forgets all that was learnt. */
  setProperties(byte: number): void {
    if (byte >= 225) throw malformedXz('properties out of range');
    this.#literalContext = byte % 9;
    const rest = Math.floor(byte / 9);
    const literalPositionBits = rest % 5;
    if (this.#literalContext + literalPositionBits > 4) throw malformedXz('properties out of range');
    this.#literalMask = (1 << literalPositionBits) - 1;
    this.#positionMask = (1 << Math.floor(rest / 5)) - 1;
    this.#literals = probabilities(0x300 << (this.#literalContext + literalPositionBits));
    this.resetState();
  }

  /** Forgets all that was learnt. */
  resetState(): void {
    this.#literals.fill(half);
    this.#isMatch = probabilities(12 << 4);
    this.#isRep = probabilities(12);
    this.#isRep0 = probabilities(12);
    this.#isRep1 = probabilities(12);
    this.#isRep2 = probabilities(12);
    this.#isRep0Long = probabilities(12 << 4);
    this.#slots = probabilities(lengthSlots << 6);
    this.#special = probabilities(128);
    this.#align = probabilities(1 << alignBits);
    this.#lengths = new LengthModel();
    this.#repLengths = new LengthModel();
    this.#state = 0;
    this.#recent = 1;
    this.#second = 1;
    this.#third = 1;
    this.#fourth = 1;
  }

  /** Decodes a chunk that stands for `size` bytes. */
  decode(bytes: Uint8Array, size: number): void {
    if (this.#literals.length === 0) throw malformedXz('a chunk without properties');
    if (bytes[0] !== 0 || bytes.length < 5) throw malformedXz('a chunk that does not start as one');
    this.#bytes = bytes;
    this.#range = 0xffffffff;
    this.#code = (((bytes[1] ?? 0) << 24) | ((bytes[2] ?? 0) << 16) | ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0)) >>> 0;
    this.#at = 5;
    const end = this.#window.total + size;
    while (this.#window.total < end) this.#decodeOne(end);
    this.#normalize();
    if (this.#at !== bytes.length || this.#code !== 0) throw malformedXz('a chunk of the wrong length');
  }

  #decodeOne(end: number): void {
    const window = this.#window;
    const state = this.#state;
    const place = (state << 4) + (window.total & this.#positionMask);
    if (this.#bit(this.#isMatch, place) === 0) {
      this.#decodeLiteral();
      this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      return;
    }
    const length = this.#decodeMatch(state, place);
    if (window.total + length > end) throw malformedXz('a match that is longer than its chunk');
    window.repeat(this.#recent, length);
  }

  /** Sets the distance and the state, and returns the length. */
  #decodeMatch(state: number, place: number): number {
    const position = place & 15;
    if (this.#bit(this.#isRep, state) === 0) {
      this.#fourth = this.#third;
      this.#third = this.#second;
      this.#second = this.#recent;
      const length = this.#decodeLength(this.#lengths, position);
      this.#recent = this.#decodeDistance(length);
      this.#state = state < 7 ? 7 : 10;
      return length;
    }
    if (this.#bit(this.#isRep0, state) === 0) {
      if (this.#bit(this.#isRep0Long, place) === 0) {
        this.#state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      this.#chooseDistance(state);
    }
    this.#state = state < 7 ? 8 : 11;
    return this.#decodeLength(this.#repLengths, position);
  }

  /** Brings one of the older distances to the front. */
  #chooseDistance(state: number): void {
    let chosen = this.#second;
    if (this.#bit(this.#isRep1, state) === 1) {
      if (this.#bit(this.#isRep2, state) === 0) {
        chosen = this.#third;
      } else {
        chosen = this.#fourth;
        this.#fourth = this.#third;
      }
      this.#third = this.#second;
    }
    this.#second = this.#recent;
    this.#recent = chosen;
  }

  #decodeLiteral(): void {
    const window = this.#window;
    const above = window.back(1) >> (8 - this.#literalContext);
    const base = 0x300 * (((window.total & this.#literalMask) << this.#literalContext) + above);
    const literals = this.#literals;
    let symbol = 1;
    if (this.#state >= 7) {
      // The byte that the last match would go on with foretells this one, up to their first difference.
      let foretold = window.back(this.#recent);
      let offset = 0x100;
      while (symbol < 0x100) {
        foretold <<= 1;
        const expected = foretold & offset;
        const bit = this.#bit(literals, base + offset + expected + symbol);
        symbol = (symbol << 1) | bit;
        offset &= bit === 1 ? expected : ~expected;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(literals, base + symbol);
    window.put(symbol & 0xff);
  }

  #decodeLength(model: LengthModel, position: number): number {
    if (this.#bit(model.choice, 0) === 0) return 2 + this.#tree(model.low, position << 3, 3);
    if (this.#bit(model.choice, 1) === 0) return 10 + this.#tree(model.middle, position << 3, 3);
    return 18 + this.#tree(model.high, 0, 8);
  }

  /** How far back a match starts; 2^32 is LZMA's end mark, which LZMA2 does not have and no window reaches. */
  #decodeDistance(length: number): number {
    const slot = this.#tree(this.#slots, Math.min(length - 2, lengthSlots - 1) << 6, 6);
    if (slot < 4) return slot + 1;
    const bits = (slot >> 1) - 1;
    const base = (2 + (slot & 1)) * 2 ** bits;
    if (slot < endOfSlots) return base + this.#reverseTree(this.#special, base - slot, bits) + 1;
    let direct = 0;
    for (let i = alignBits; i < bits; i++) {
      this.#normalize();
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      direct = direct * 2 + bit;
    }
    return base + direct * 2 ** alignBits + this.#reverseTree(this.#align, 0, alignBits) + 1;
  }

  #tree(model: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(model, base + symbol);
    return symbol - (1 << bits);
  }

  #reverseTree(model: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(model, base + symbol);
      symbol = (symbol << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  #bit(model: Uint16Array, at: number): 0 | 1 {
    if (this.#range < topBits) this.#normalize();
    const probability = model[at] ?? 0;
    const bound = (this.#range >>> 11) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      model[at] = probability + ((2048 - probability) >> 5);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    model[at] = probability - (probability >> 5);
    return 1;
  }

  #normalize(): void {
    if (this.#range >= topBits) return;
    if (this.#at === this.#bytes.length) throw malformedXz('a chunk that is cut short');
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | (this.#bytes[this.#at++] ?? 0)) >>> 0;
  }
}
