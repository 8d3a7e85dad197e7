import type { Descriptor, Digest } from '@gantry/interface';
import { BlobStore } from '../blob-store.js';
import type { StoreFolders } from '../folders.js';
import type { Hold } from './holds.js';

/** The blobs as one call sees them that cannot tell beforehand which it needs: what it asks for is held, then looked up. */
export class HeldBlobStore extends BlobStore {
  readonly #hold: Hold;
  readonly #held = new Set<Digest>();

  constructor(folders: StoreFolders, hold: Hold) {
    super(folders);
    this.#hold = hold;
  }

  override async has(descriptor: Descriptor): Promise<boolean> {
    await this.#cover([descriptor.digest]);
    return super.has(descriptor);
  }

  override async readDocument(descriptor: Descriptor): Promise<Uint8Array | undefined> {
    await this.#cover([descriptor.digest]);
    return super.readDocument(descriptor);
  }

  override async *stream(digest: Digest): AsyncIterable<Uint8Array> {
    await this.#cover([digest]);
    yield* super.stream(digest);
  }

  override async prepare(blobs: readonly Descriptor[]): Promise<void> {
    await this.#cover(blobs.map((blob) => blob.digest));
    await super.prepare(blobs);
  }

  async #cover(digests: readonly Digest[]): Promise<void> {
    const fresh = digests.filter((digest) => !this.#held.has(digest));
    await this.#hold.cover({ blobs: fresh });
    for (const digest of fresh) this.#held.add(digest);
  }
}
