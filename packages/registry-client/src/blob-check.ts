import { createHash, type Hash } from 'node:crypto';
import { digestAlgorithm } from '@gantry/image-spec';
import { type Descriptor, type ErrorCode, GantryError } from '@gantry/interface';

/**
 * Holds the bytes that pass against their descriptor: never more than its size, and at the end its size and, unless the
 * caller sees to that, its digest.
 */
export class BlobCheck {
  readonly #what: string;
  readonly #descriptor: Descriptor;
  readonly #hash: Hash | undefined;
  #length = 0;

  constructor(what: string, descriptor: Descriptor, hashes = true) {
    this.#what = what;
    this.#descriptor = descriptor;
    this.#hash = hashes ? createHash(digestAlgorithm(descriptor.digest)) : undefined;
  }

  /** Bytes taken so far. */
  get length(): number {
    return this.#length;
  }

  get complete(): boolean {
    return this.#length === this.#descriptor.size;
  }

  /** More came than there can be: what was taken cannot be right. */
  get exceeded(): boolean {
    return this.#length > this.#descriptor.size;
  }

  take(chunk: Uint8Array): void {
    this.#length += chunk.byteLength;
    if (this.exceeded) throw this.sizeMismatch('more');
    this.#hash?.update(chunk);
  }

  /** Throws unless all that was taken is what the descriptor says. Call it once, at the end. */
  finish(): void {
    if (!this.complete) throw this.sizeMismatch(String(this.#length));
    const { digest } = this.#descriptor;
    if (!this.#hash) return;
    const actual = `${digestAlgorithm(digest)}:${this.#hash.digest('hex')}`;
    if (actual !== digest) throw this.#mismatch('DIGEST_MISMATCH', `the content has digest ${actual}`, { actual });
  }

  sizeMismatch(actual: string): GantryError {
    return this.#mismatch('SIZE_MISMATCH', `${actual} bytes instead of ${this.#descriptor.size}`, { actual });
  }

  #mismatch(code: ErrorCode, reason: string, facts: Readonly<Record<string, string>>): GantryError {
    const { digest, size } = this.#descriptor;
    return new GantryError(code, `${this.#what}: ${reason}`, { details: { digest, size, ...facts } });
  }
}
