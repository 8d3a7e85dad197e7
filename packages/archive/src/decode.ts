import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { decodeBzip2 } from './bzip2/decoder.js';
import { type Compression, createDecoder, hasZstd } from './compression.js';
import { invalidArchive } from './errors.js';
import { FrameInput } from './frame-input.js';
import { decodeXz } from './xz/decoder.js';
import { decodeZstd } from './zstd/decoder.js';

/** Decompresses in this thread, but for what Node.js's own decoders do in its thread pool. */
export function decode(compression: Compression, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'none':
      return source;
    case 'bzip2':
      return decodeBzip2(source);
    case 'xz':
      return decodeXz(source);
    case 'zstd':
      return hasZstd ? decodeFrames(compression, source) : decodeZstd(source);
    case 'gzip':
      return decodeFrames(compression, source);
  }
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
