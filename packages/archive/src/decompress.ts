import { type Compression, compressionOf, hasZstd, isCompression } from './compression.js';
import { decode } from './decode.js';
import { runInThread } from './stream-thread.js';

/**
 * Decompresses a stream: gzip (all members), zstd (all frames), bzip2 and xz (all streams) or none. `kind` says which, or is one of
 * OCI's or Docker's layer media types. What Node.js has no decoder for in its thread pool is done in a worker thread.
 *
 * @throws `UNSUPPORTED` for another media type; `INVALID_ARCHIVE` for a malformed stream, one that is cut short, or bytes behind it.
 */
export function decompress(
  kind: Compression | (string & {}),
  source: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const compression = isCompression(kind) ? kind : compressionOf(kind);
  const isLight = compression === 'none' || compression === 'gzip' || (compression === 'zstd' && hasZstd);
  if (isLight) return decode(compression, source);
  return runInThread({ type: 'decode', compression }, `decompressing ${compression}`, undefined, source);
}
