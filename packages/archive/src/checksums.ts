/** The sums over what was decoded that xz and bzip2 keep. */

const crc32Table = reflectedTable(0xedb88320);

function reflectedTable(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });
}

/** CRC-32 as xz and gzip have it. Go on with a sum to add to it; start with 0. */
export function crc32(sum: number, bytes: Uint8Array): number {
  let value = ~sum;
  for (const byte of bytes) value = (value >>> 8) ^ (crc32Table[(value ^ byte) & 0xff] ?? 0);
  return ~value >>> 0;
}

const bzip2Table = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value;
});

/** CRC-32 with the highest bit first, as bzip2 has it. Start with 0. */
export function bzip2Crc(sum: number, bytes: Uint8Array): number {
  let value = ~sum;
  for (const byte of bytes) value = (value << 8) ^ (bzip2Table[((value >>> 24) ^ byte) & 0xff] ?? 0);
  return ~value >>> 0;
}

/** CRC-64 of ECMA-182, in two halves. */
export class Crc64 {
  static readonly #tables = Crc64.#makeTables();
  #low = -1;
  #high = -1;

  update(bytes: Uint8Array): void {
    const [lows, highs] = Crc64.#tables;
    let low = this.#low;
    let high = this.#high;
    for (const byte of bytes) {
      const at = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (lows[at] ?? 0);
      high = (high >>> 8) ^ (highs[at] ?? 0);
    }
    this.#low = low;
    this.#high = high;
  }

  /** Eight bytes, the lowest first. */
  digest(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32LE(~this.#low, 0);
    bytes.writeInt32LE(~this.#high, 4);
    return bytes;
  }

  static #makeTables(): readonly [Int32Array, Int32Array] {
    const lows = new Int32Array(256);
    const highs = new Int32Array(256);
    for (let byte = 0; byte < 256; byte++) {
      let low = byte;
      let high = 0;
      for (let bit = 0; bit < 8; bit++) {
        const carries = (low & 1) === 1;
        low = (low >>> 1) | (high << 31);
        high >>>= 1;
        if (carries) {
          low ^= 0xd7870f42;
          high ^= 0xc96c5795;
        }
      }
      lows[byte] = low;
      highs[byte] = high;
    }
    return [lows, highs];
  }
}
