import { createHash } from 'node:crypto';
import { digestAlgorithm } from '@gantry/image-spec';
import { type Digest, GantryError } from '@gantry/interface';

/** The digest of a document, by the algorithm of another one; sha256 without it. */
export function digestOf(bytes: Uint8Array, like: Digest | undefined): Digest {
  const algorithm = like === undefined ? 'sha256' : digestAlgorithm(like);
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

export function digestMismatch(what: string, expected: Digest, actual: Digest): GantryError {
  return new GantryError('DIGEST_MISMATCH', `${what}: the manifest has digest ${actual}, not ${expected}`, {
    details: { digest: expected, actual },
  });
}
