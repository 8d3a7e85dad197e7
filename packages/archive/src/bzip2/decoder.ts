import { bzip2Crc } from '../checksums.js';
import { invalidArchive } from '../errors.js';
import { HighBits, malformedBzip2 } from './bits.js';
import { readBlock, type SortedBlock } from './block.js';

const pieceSize = 64 * 1024;

/** The most bits a symbol takes, and more than a block has before its symbols. */
const maxSymbolBits = 20;
const maxHeaderBytes = 64 * 1024;

/** Half of the two marks of 48 bits that start a block, and that end a stream. */
const blockMark = [0x314159, 0x265359];
const endMark = [0x177245, 0x385090];

/**
 * Decodes bzip2 in JavaScript: all streams, one behind the other, with their checksums verified. Takes about 8 MiB.
 * The packages for it are not used, since unbzip2-stream takes over 2 GiB where a block stands for one long run, and seek-bzip wants
 * the whole stream in memory.
 *
 * @throws `INVALID_ARCHIVE` for what is malformed or cut short, and for bytes behind the end.
 */
export async function* decodeBzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const input = new BlockInput(source);
  try {
    do yield* decodeStream(input);
    while (await input.fill(1));
  } finally {
    await input.close();
  }
}

async function* decodeStream(input: BlockInput): AsyncGenerator<Uint8Array, void, undefined> {
  await input.fill(4);
  const start = input.bits();
  const [magic, level] = [start.read(24), start.read(8) - 0x30];
  if (magic !== 0x425a68 || level < 1 || level > 9) throw malformedBzip2('no stream starts here');
  input.advanceTo(start);
  const links = new Uint32Array(level * 100_000);
  let streamSum = 0;
  for (;;) {
    await input.fill((links.length * maxSymbolBits) / 8 + maxHeaderBytes);
    const bits = input.bits();
    const mark = [bits.read(24), bits.read(24)];
    const stated = bits.read(16) * 65_536 + bits.read(16);
    if (mark.join() === endMark.join()) {
      if (stated !== streamSum) throw malformedBzip2('the checksum of the stream is wrong');
      input.advanceTo(bits);
      input.align();
      return;
    }
    if (mark.join() !== blockMark.join()) throw malformedBzip2('no block starts here');
    const block = readBlock(bits, links);
    input.advanceTo(bits);
    let sum = 0;
    for (const piece of textOf(block)) {
      sum = bzip2Crc(sum, piece);
      yield piece;
    }
    if (sum !== stated) throw malformedBzip2('the checksum of a block is wrong');
    streamSum = (((streamSum << 1) | (streamSum >>> 31)) ^ sum) >>> 0;
  }
}

/** Follows the links. Four times the same byte are followed by a count of how many more there are. */
function* textOf({ count, links, first }: SortedBlock): Generator<Uint8Array, void, undefined> {
  let piece = Buffer.allocUnsafe(pieceSize);
  let fill = 0;
  let at = first;
  let last = -1;
  let same = 0;
  for (let i = 0; i < count; i++) {
    const link = links[at] ?? 0;
    const byte = link & 0xff;
    at = link >>> 8;
    if (fill + 256 > pieceSize) {
      yield piece.subarray(0, fill);
      piece = Buffer.allocUnsafe(pieceSize);
      fill = 0;
    }
    if (same === 4) {
      piece.fill(last, fill, fill + byte);
      fill += byte;
      same = 0;
      last = -1;
      continue;
    }
    same = byte === last ? same + 1 : 1;
    last = byte;
    piece[fill++] = byte;
  }
  if (fill > 0) yield piece.subarray(0, fill);
}

/** Keeps as much of the source at hand as a block can take: a block does not say how long it is. */
class BlockInput {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Buffer[] = [];
  #size = 0;
  /** In the first chunk, in bits. */
  #position = 0;
  #isDone = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Gets so many bytes together, or as many as there are; returns whether there is any. */
  async fill(size: number): Promise<boolean> {
    while (!this.#isDone && this.#size - this.#position / 8 < size) {
      const { done, value } = await this.#source.next();
      if (done) this.#isDone = true;
      else this.#chunks.push(Buffer.from(value.buffer, value.byteOffset, value.length));
      this.#size += done ? 0 : value.length;
    }
    return this.#size * 8 > this.#position;
  }

  bits(): HighBits {
    const [first] = this.#chunks;
    const bytes = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    return new HighBits(bytes, this.#position);
  }

  advanceTo({ position }: HighBits): void {
    const [bytes] = this.#chunks;
    if (!bytes) throw invalidArchive('the bzip2 stream is cut short');
    const whole = Math.floor(position / 8);
    this.#chunks = [bytes.subarray(whole)];
    this.#size -= whole;
    this.#position = position - whole * 8;
  }

  /** Passes over the bits that fill up the last byte of a stream. */
  align(): void {
    if (this.#position === 0) return;
    this.#chunks = this.#chunks.map((bytes) => bytes.subarray(1));
    this.#size--;
    this.#position = 0;
  }

  async close(): Promise<void> {
    if (!this.#isDone) await this.#source.return?.();
  }
}
