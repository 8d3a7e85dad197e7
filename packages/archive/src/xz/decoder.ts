import { createHash } from 'node:crypto';
import { ByteInput } from '../byte-input.js';
import { Crc64, crc32 } from '../checksums.js';
import { invalidArchive } from '../errors.js';
import { SlidingWindow } from '../sliding-window.js';
import { LzmaDecoder, malformedXz } from './lzma.js';

/** Two times what `xz -9` uses. */
const maxDictionary = 2 ** 27;

const pieceSize = 256 * 1024;
const streamMagic = Buffer.from('fd377a585a00', 'hex');
const footerMagic = Buffer.from('YZ');
const lzma2Filter = 0x21;

/** The sum over what a block stands for, by the number of its kind. */
interface BlockCheck {
  readonly size: number;
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

/** The sizes of a block as the index has them: without padding, and of what it stands for. */
type BlockSizes = readonly [unpadded: number, decoded: number];

/**
 * Decodes xz in JavaScript: all streams, one behind the other, with checks and index verified. Takes as much memory as the
 * dictionary and a quarter. The .xz file format, version 1.2.1. The package xz-decompress is not used, since it takes neither
 * dictionaries over 64 MiB nor SHA-256 as the check.
 *
 * @throws `INVALID_ARCHIVE` for what is malformed or cut short, for bytes behind the end, for a dictionary of over 128 MiB, and for filters
 * other than LZMA2, which are for executables and not in use for archives.
 */
export async function* decodeXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const input = new CountedInput(new ByteInput(source, 'xz'));
  try {
    for (let head = await input.take(4); ; ) {
      yield* decodeStream(input, Buffer.concat([head, await input.take(8)]));
      // Between streams there may be zeros, four at a time.
      do {
        if (await input.isAtEnd()) return;
        head = await input.take(4);
      } while (head.readUInt32LE() === 0);
    }
  } finally {
    await input.close();
  }
}

async function* decodeStream(input: CountedInput, header: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  const flags = header.subarray(6, 8);
  if (!header.subarray(0, 6).equals(streamMagic)) throw malformedXz('no stream starts here');
  if (crc32(0, flags) !== header.readUInt32LE(8) || flags[0] !== 0) throw malformedXz('its header is damaged');
  const blocks: BlockSizes[] = [];
  for (;;) {
    const start = input.total;
    const size = await input.take(1);
    if (size[0] === 0) {
      const indexSize = await readIndex(input, blocks);
      await readFooter(input, flags, indexSize);
      return;
    }
    const check = makeCheck(flags[1] ?? 0);
    const dictionary = await readBlockHeader(input, size);
    let decoded = 0;
    for await (const piece of decodeLzma2(input, dictionary)) {
      decoded += piece.length;
      check.update(piece);
      yield piece;
    }
    const unpadded = input.total - start;
    await readPadding(input, unpadded);
    if (!(await input.take(check.size)).equals(check.digest())) throw malformedXz('the check of a block is wrong');
    blocks.push([unpadded + check.size, decoded]);
  }
}

function makeCheck(kind: number): BlockCheck {
  if (kind === 0) return { size: 0, update: () => undefined, digest: () => Buffer.alloc(0) };
  if (kind === 1) {
    let sum = 0;
    const update = (bytes: Uint8Array) => {
      sum = crc32(sum, bytes);
    };
    return { size: 4, update, digest: () => littleEndian(sum) };
  }
  if (kind === 4) {
    const sum = new Crc64();
    return { size: 8, update: (bytes) => sum.update(bytes), digest: () => sum.digest() };
  }
  if (kind === 10) {
    const hash = createHash('sha256');
    return { size: 32, update: (bytes) => hash.update(bytes), digest: () => hash.digest() };
  }
  throw malformedXz(`check ${kind} is unknown`);
}

/** Returns the size of the dictionary. */
async function readBlockHeader(input: CountedInput, size: Buffer): Promise<number> {
  const rest = await input.take((size[0] ?? 0) * 4 + 3);
  const body = rest.subarray(0, rest.length - 4);
  if (crc32(crc32(0, size), body) !== rest.readUInt32LE(body.length))
    throw malformedXz('the header of a block is damaged');
  const fields = new ByteInput(only(body), 'xz');
  const flags = (await fields.take(1)).readUInt8();
  if ((flags & 0x3c) !== 0) throw malformedXz('reserved bits are set');
  // The sizes are in the index as well, and there they are verified.
  if ((flags & 0x40) !== 0) await readVarint(fields);
  if ((flags & 0x80) !== 0) await readVarint(fields);
  const [filter, length] = [await readVarint(fields), await readVarint(fields)];
  if ((flags & 3) !== 0 || filter !== lzma2Filter || length !== 1)
    throw invalidArchive('an xz filter other than LZMA2');
  const code = (await fields.take(1)).readUInt8();
  const dictionary = (2 + (code & 1)) * 2 ** ((code >> 1) + 11);
  if (code > 40 || dictionary > maxDictionary) {
    throw invalidArchive(`an xz dictionary of ${dictionary} bytes; at most ${maxDictionary} are taken`);
  }
  while (!(await fields.isAtEnd())) {
    if ((await fields.take(1)).readUInt8() !== 0) throw malformedXz('the header of a block is damaged');
  }
  return dictionary;
}

async function* decodeLzma2(input: CountedInput, dictionary: number): AsyncGenerator<Uint8Array, void, undefined> {
  let window: SlidingWindow | undefined;
  let decoder: LzmaDecoder | undefined;
  for (;;) {
    const control = (await input.take(1)).readUInt8();
    if (control === 0) break;
    const isLzma = control >= 0x80;
    if (!isLzma && control > 2) throw malformedXz('a chunk of no known kind');
    if (control === 1 || control >= 0xe0) {
      if (window && window.pending > 0) yield window.take();
      window = new SlidingWindow(dictionary);
      decoder = new LzmaDecoder(window);
    }
    if (!window || !decoder) throw malformedXz('a chunk that refers to what is not there');
    const size = (isLzma ? (control & 0x1f) * 65_536 : 0) + (await input.take(2)).readUInt16BE() + 1;
    if (window.pending > 0 && (window.pending + size > pieceSize || window.isFull(size))) yield window.take();
    window.reserve(size);
    if (!isLzma) {
      window.append(await input.take(size), 0, size);
      continue;
    }
    const stored = (await input.take(2)).readUInt16BE() + 1;
    if (control >= 0xc0) decoder.setProperties((await input.take(1)).readUInt8());
    else if (control >= 0xa0) decoder.resetState();
    decoder.decode(await input.take(stored), size);
  }
  if (window && window.pending > 0) yield window.take();
}

/** Compares the index with the blocks that were there. Its first byte has been read. Returns its size. */
async function readIndex(input: CountedInput, blocks: readonly BlockSizes[]): Promise<number> {
  const start = input.total - 1;
  input.record();
  if ((await readVarint(input)) !== blocks.length) throw malformedXz('the index has another count of blocks');
  for (const [unpadded, decoded] of blocks) {
    if ((await readVarint(input)) !== unpadded || (await readVarint(input)) !== decoded) {
      throw malformedXz('the index has blocks of other sizes');
    }
  }
  await readPadding(input, input.total - start);
  const sum = crc32(0, input.recorded());
  if ((await input.take(4)).readUInt32LE() !== sum) throw malformedXz('the index is damaged');
  return input.total - start;
}

async function readFooter(input: CountedInput, flags: Buffer, indexSize: number): Promise<void> {
  const footer = await input.take(12);
  const isWhole = footer.readUInt32LE() === crc32(0, footer.subarray(4, 10)) && footer.subarray(10).equals(footerMagic);
  if (!isWhole || !footer.subarray(8, 10).equals(flags) || (footer.readUInt32LE(4) + 1) * 4 !== indexSize) {
    throw malformedXz('its footer is damaged');
  }
}

/** Zeros up to a multiple of four. */
async function readPadding(input: CountedInput, size: number): Promise<void> {
  const padding = await input.take((4 - (size % 4)) % 4);
  if (padding.some((byte) => byte !== 0)) throw malformedXz('padding that is not zero');
}

/** Seven bits a byte, the lowest first. A number over 2^53 comes out inexact, and is no size that anything has. */
async function readVarint(input: Pick<ByteInput, 'take'>): Promise<number> {
  let value = 0;
  for (let i = 0; i < 9; i++) {
    const byte = (await input.take(1)).readUInt8();
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (byte === 0 && i > 0) break;
      return value;
    }
  }
  throw malformedXz('a number that is none');
}

function littleEndian(sum: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(sum);
  return bytes;
}

async function* only(bytes: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** Counts what is taken, and records the bytes of an index. */
class CountedInput {
  readonly #input: ByteInput;
  #record: Buffer[] | undefined;
  total = 0;

  constructor(input: ByteInput) {
    this.#input = input;
  }

  /** Keeps all that is taken from now on, and the zero byte that an index starts with. */
  record(): void {
    this.#record = [Buffer.alloc(1)];
  }

  /** What was taken since, and keeps no more. */
  recorded(): Buffer {
    const bytes = Buffer.concat(this.#record ?? []);
    this.#record = undefined;
    return bytes;
  }

  async take(size: number): Promise<Buffer> {
    const bytes = await this.#input.take(size);
    this.total += size;
    this.#record?.push(bytes);
    return bytes;
  }

  isAtEnd(): Promise<boolean> {
    return this.#input.isAtEnd();
  }

  close(): Promise<void> {
    return this.#input.close();
  }
}
