import type { Digest } from '@gantry/interface';
import type { Content, ContentWriter } from './content.js';
import { RunningDigest } from './running-digest.js';

/** Bytes go out in pieces of this size, so that a large blob does not fill a socket's buffer at once. */
const pieceBytes = 256 * 1024;

/** Content in the memory of the process. */
export class MemoryContent implements Content {
  readonly #blobs = new Map<Digest, Uint8Array>();

  async size(digest: Digest): Promise<number | undefined> {
    return this.#blobs.get(digest)?.length;
  }

  async *read(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array> {
    const bytes = this.#blobs.get(digest) ?? new Uint8Array();
    for (let offset = start; offset < end; offset += pieceBytes) {
      yield bytes.subarray(offset, Math.min(offset + pieceBytes, end));
    }
  }

  async begin(): Promise<ContentWriter> {
    return new MemoryWriter(this.#blobs);
  }
}

class MemoryWriter implements ContentWriter {
  readonly #blobs: Map<Digest, Uint8Array>;
  readonly #digest = new RunningDigest();
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(blobs: Map<Digest, Uint8Array>) {
    this.#blobs = blobs;
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#digest.update(chunk);
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  async commit(digest: Digest): Promise<boolean> {
    const good = this.#digest.equals(digest);
    if (good) this.#blobs.set(digest, Buffer.concat(this.#chunks));
    this.#chunks = [];
    return good;
  }

  async discard(): Promise<void> {
    this.#chunks = [];
  }
}
