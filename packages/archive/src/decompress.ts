import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Compression, compressionOf, createDecoder } from './compression.js';
import { invalidArchive } from './errors.js';
import { FrameInput } from './frame-input.js';

/**
 * Decompresses a layer blob of one of OCI's or Docker's media types: gzip (all members), zstd (all frames) or plain.
 * A zstd stream that is cut short ends early rather than throws; the digest of what came out tells.
 *
 * @throws `UNSUPPORTED` for another media type, or for zstd where Node.js lacks it; `INVALID_ARCHIVE` for a malformed
 * stream or bytes behind it.
 */
export function decompress(mediaType: string, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return decode(compressionOf(mediaType), source);
}

/** As {@link decompress}, by the compression. */
export function decode(compression: Compression, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return compression === 'none' ? source : decodeFrames(compression, source);
}

async function* decodeFrames(
  compression: 'gzip' | 'zstd',
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const input = new FrameInput(source);
  try {
    for (;;) {
      const decoder = createDecoder(compression);
      const feeding = pipeline(Readable.from(input.chunks(() => decoder.bytesWritten)), decoder);
      // A fault reaches the loop below as well; and a decoder that ends before its input makes the feeding fail.
      feeding.catch(() => undefined);
      for await (const chunk of decoder as AsyncIterable<Uint8Array>) yield chunk;
      if (!(await input.endFrame(decoder.bytesWritten))) return;
      // node:zlib goes from gzip member to gzip member itself, and ends early only at what is none.
      if (compression === 'gzip' || decoder.bytesWritten === 0) {
        throw invalidArchive(`bytes behind the end of the ${compression} stream`);
      }
    }
  } catch (error) {
    throw explain(error, compression);
  } finally {
    await input.close();
  }
}

function explain(error: unknown, compression: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!/^Z_|^ZSTD_/.test(code)) return error;
  return invalidArchive(`the ${compression} stream is malformed (${code})`, undefined, error);
}
