import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const pieceSize = 256 * 1024;

/**
 * Compresses a stream. The same bytes, level and Node.js give the same blob: gzip's header has neither time nor name. `level` is 1
 * (quick) to 9 (small), 6 by default. Throws what the source throws.
 */
export async function* compress(
  source: AsyncIterable<Uint8Array>,
  compression: 'none' | 'gzip',
  level = 6,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compression === 'none') {
    yield* source;
    return;
  }
  const encoder = createGzip({ level, chunkSize: pieceSize });
  const feeding = pipeline(Readable.from(source, { objectMode: true }), encoder);
  // A fault destroys the encoder, so the loop below throws it as well.
  feeding.catch(() => undefined);
  for await (const piece of encoder as AsyncIterable<Uint8Array>) yield piece;
}
