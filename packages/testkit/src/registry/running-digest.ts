import { createHash } from 'node:crypto';
import { digestAlgorithm, digestHex } from '@gantry/image-spec';
import type { Digest } from '@gantry/interface';

/** Hashes bytes whose digest's algorithm is only told at their end. */
export class RunningDigest {
  readonly #hashes = { sha256: createHash('sha256'), sha512: createHash('sha512') };

  update(chunk: Uint8Array): void {
    this.#hashes.sha256.update(chunk);
    this.#hashes.sha512.update(chunk);
  }

  /** Ends the hashing. */
  equals(digest: Digest): boolean {
    return this.#hashes[digestAlgorithm(digest)].digest('hex') === digestHex(digest);
  }
}
