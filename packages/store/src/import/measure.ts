import { createHash } from 'node:crypto';
import { type Digest, throwIfAborted } from '@gantry/interface';

/** Reads a stream to its end for what it is: its digest and its size. */
export async function measure(
  what: string,
  content: AsyncIterable<Uint8Array>,
  algorithm: 'sha256' | 'sha512',
  signal: AbortSignal | undefined,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = createHash(algorithm);
  let size = 0;
  for await (const piece of content) {
    throwIfAborted(signal, what);
    hash.update(piece);
    size += piece.byteLength;
  }
  return { digest: `${algorithm}:${hash.digest('hex')}`, size };
}
