import { type Compression, decompress, defaultBudget, detectCompression } from '@gantry/archive';
import { GantryError } from '@gantry/interface';

/** As many as the longest mark of a compression has. */
const headBytes = 6;
/** Where little comes out, any ratio is harmless. */
const ratioFloor = 16 * 2 ** 20;

/** A stream, and how its first bytes say that it is compressed. */
export interface DetectedContent {
  readonly compression: Compression;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Looks at the beginning of a stream; the one that comes back still has it. */
export async function detect(source: AsyncIterable<Uint8Array>): Promise<DetectedContent> {
  const iterator = source[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  for (let length = 0; length < headBytes; ) {
    const result = await iterator.next();
    if (result.done) break;
    pieces.push(result.value);
    length += result.value.byteLength;
  }
  return { compression: detectCompression(Buffer.concat(pieces)), content: resume(pieces, iterator) };
}

/** Undoes the compression that a stream shows, if it shows one. `LIMIT_EXCEEDED` for a bomb. */
export async function* inflate(
  what: string,
  source: AsyncIterable<Uint8Array>,
  compressedBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { compression, content } = await detect(source);
  yield* inflateAs(what, compression, content, compressedBytes);
}

/** As {@link inflate}, by a compression that is known. */
export async function* inflateAs(
  what: string,
  compression: Compression,
  content: AsyncIterable<Uint8Array>,
  compressedBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const most = Math.min(defaultBudget.bytes, Math.max(ratioFloor, compressedBytes * defaultBudget.ratio));
  let bytes = 0;
  for await (const piece of decompress(compression, content)) {
    bytes += piece.byteLength;
    if (bytes > most) {
      throw new GantryError('LIMIT_EXCEEDED', `${what}: more than ${most} bytes come out of ${compressedBytes}`, {
        details: { limit: most },
      });
    }
    yield piece;
  }
}

async function* resume(
  pieces: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pieces;
    for (let result = await iterator.next(); !result.done; result = await iterator.next()) yield result.value;
  } finally {
    await iterator.return?.();
  }
}
