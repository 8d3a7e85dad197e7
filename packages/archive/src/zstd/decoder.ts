import { ByteInput } from '../byte-input.js';
import { invalidArchive } from '../errors.js';
import { SlidingWindow } from '../sliding-window.js';
import { malformedZstd } from './bits.js';
import { LiteralsDecoder } from './literals.js';
import { SequencesDecoder } from './sequences.js';

/** Above it a frame would make its decoder take over 128 MiB. RFC 8878, 3.1.1.1.2 lets a decoder refuse. */
export const maxWindowLog = 27;

const maxBlockSize = 128 * 1024;
const pieceSize = 256 * 1024;
/** The first four bytes of a frame, as a little-endian number. */
export const zstdMagic = 0xfd2fb528;

/** What a frame's header says. */
interface FrameHeader {
  readonly windowSize: number;
  readonly contentSize: number | undefined;
  readonly hasChecksum: boolean;
}

/** True for the first four bytes of a frame that decoders pass over. */
export function isSkippableFrame(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
}

/**
 * Decodes zstd in JavaScript, for versions of Node.js whose zlib does not: all frames, passing over skippable ones. RFC 8878. Takes
 * as much memory as the largest frame's window and a quarter. Checksums of frames are passed over: what is decoded here
 * has a digest. The package fzstd is not used, since it takes matches from before the window, and some streams of 20 bytes hold
 * it for ever.
 *
 * @throws `INVALID_ARCHIVE` for what is malformed, cut short, needs a dictionary, or a window of over 128 MiB.
 */
export async function* decodeZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const input = new ByteInput(source, 'zstd');
  try {
    do {
      const magic = (await input.take(4)).readUInt32LE();
      if (isSkippableFrame(magic)) await input.skip((await input.take(4)).readUInt32LE());
      else if (magic === zstdMagic) yield* decodeFrame(input);
      else throw invalidArchive('bytes that are no frame in the zstd stream');
    } while (!(await input.isAtEnd()));
  } finally {
    await input.close();
  }
}

async function* decodeFrame(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const { windowSize, contentSize, hasChecksum } = await readFrameHeader(input);
  const blockSize = Math.min(windowSize, maxBlockSize);
  const window = new SlidingWindow(windowSize);
  const literals = new LiteralsDecoder();
  const sequences = new SequencesDecoder();
  for (let isLast = false; !isLast; ) {
    const header = (await input.take(3)).readUIntLE(0, 3);
    isLast = (header & 1) === 1;
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (size > blockSize) throw malformedZstd(`a block of ${size} bytes`);
    if (window.pending + blockSize > pieceSize || window.isFull(blockSize)) yield window.take();
    window.reserve(blockSize);
    if (type === 0) {
      window.append(await input.take(size), 0, size);
    } else if (type === 1) {
      window.fill((await input.take(1)).readUInt8(), size);
    } else if (type === 2) {
      const block = await input.take(size);
      const { literals: bytes, next } = literals.decode(block, blockSize);
      sequences.execute(block, next, bytes, window, blockSize);
    } else {
      throw malformedZstd('a block of the reserved type');
    }
  }
  if (window.pending > 0) yield window.take();
  if (contentSize !== undefined && contentSize !== window.total)
    throw malformedZstd('a frame of another size than it states');
  if (hasChecksum) await input.skip(4);
}

async function readFrameHeader(input: ByteInput): Promise<FrameHeader> {
  const descriptor = (await input.take(1)).readUInt8();
  if ((descriptor & 8) !== 0) throw malformedZstd('reserved bits are set');
  const isSingle = (descriptor & 0x20) !== 0;
  const window = isSingle ? 0 : (await input.take(1)).readUInt8();
  const dictionary = await input.take([0, 1, 2, 4][descriptor & 3] ?? 0);
  if (dictionary.some((byte) => byte !== 0)) throw invalidArchive('a zstd frame that needs a dictionary');
  const sizeBytes = descriptor >> 6 === 0 ? (isSingle ? 1 : 0) : 2 ** (descriptor >> 6);
  const contentSize = sizeBytes === 0 ? undefined : readContentSize(await input.take(sizeBytes));
  const base = 2 ** (10 + (window >> 3));
  const windowSize = isSingle ? (contentSize ?? 0) : base + (base / 8) * (window & 7);
  if (windowSize > 2 ** maxWindowLog) {
    throw invalidArchive(`a zstd frame with a window of ${windowSize} bytes; at most 2^${maxWindowLog} are taken`);
  }
  return { windowSize, contentSize, hasChecksum: (descriptor & 4) !== 0 };
}

/** A size over 2^53 comes out inexact, and is no frame's that anybody has. */
function readContentSize(bytes: Buffer): number {
  if (bytes.length === 8) return Number(bytes.readBigUInt64LE());
  return bytes.readUIntLE(0, bytes.length) + (bytes.length === 2 ? 256 : 0);
}
