import { createHash } from 'node:crypto';
import { type Digest, GantryError } from '@gantry/interface';
import { quote } from './quote.js';

const grammar = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const longest = 'sha512:'.length + 128;

/** True for a well-formed digest of a known algorithm. OCI image-spec, descriptor.md#digests. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && text.length <= longest && grammar.test(text);
}

/** Reads a digest; `INVALID_ARGUMENT` (field `digest`) for another algorithm, upper-case hex or a wrong length. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new GantryError(
    'INVALID_ARGUMENT',
    `digest ${quote(text)}: want sha256: with 64 or sha512: with 128 lower-case hex digits`,
    { details: { field: 'digest' } },
  );
}

/** The hex digits of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The algorithm of a digest, by the name that node:crypto knows too. */
export function digestAlgorithm(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The sha256 digest of some bytes. */
export function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
