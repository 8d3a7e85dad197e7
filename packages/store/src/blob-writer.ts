import { createHash, type Hash } from 'node:crypto';
import { digestAlgorithm } from '@gantry/image-spec';
import type { Descriptor } from '@gantry/interface';
import { digestMismatch, sizeMismatch } from './blob-errors.js';

/** Bytes that are written, and hashed, at a time: to hash them takes about a millisecond. */
const batchBytes = 1024 * 1024;

/** Smaller pieces are gathered: with them a thread would be woken more often than it is worth. */
const leastBytes = 256 * 1024;

/** What is needed of a `FileHandle`. */
interface WritableFile {
  writev(pieces: readonly Uint8Array[]): Promise<{ readonly bytesWritten: number }>;
  writeFile(rest: Uint8Array): Promise<void>;
}

/**
 * Writes the content of a blob to a file and holds it against its descriptor. While one batch is being written the
 * next is gathered and hashed.
 */
export class BlobWriter {
  readonly #handle: WritableFile;
  readonly #descriptor: Descriptor;
  readonly #onWritten: (bytes: number) => void;
  readonly #hash: Hash;
  #batch: Uint8Array[] = [];
  #gathered = 0;
  #received = 0;
  #written = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: WritableFile, descriptor: Descriptor, onWritten: (bytes: number) => void) {
    this.#handle = handle;
    this.#descriptor = descriptor;
    this.#onWritten = onWritten;
    this.#hash = createHash(digestAlgorithm(descriptor.digest));
  }

  /** Takes the next bytes; unless they are lent they must not change any more. `SIZE_MISMATCH` once there are too many. */
  async take(chunk: Uint8Array, isLent: boolean): Promise<void> {
    this.#received += chunk.byteLength;
    if (this.#received > this.#descriptor.size) throw sizeMismatch(this.#descriptor, this.#received);
    for (let start = 0; start < chunk.byteLength; start += batchBytes) {
      const piece = chunk.subarray(start, start + batchBytes);
      if (piece.byteLength < leastBytes) await this.#gather(isLent ? Uint8Array.from(piece) : piece);
      else {
        await this.#flush();
        await this.#startWriting([piece]);
        this.#hash.update(piece);
      }
    }
    if (isLent) await this.#writing;
  }

  /** Writes what is left. `SIZE_MISMATCH` or `DIGEST_MISMATCH` if all that was taken is not the descriptor's. */
  async finish(): Promise<void> {
    const { digest, size } = this.#descriptor;
    if (this.#received !== size) throw sizeMismatch(this.#descriptor, this.#received);
    const actual = `${digestAlgorithm(digest)}:${this.#hash.digest('hex')}`;
    if (actual !== digest) throw digestMismatch(digest, actual);
    await this.#flush();
    await this.#writing;
  }

  /** Resolves when nothing is being written any more; whether that went well does not matter any more. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  async #gather(piece: Uint8Array): Promise<void> {
    this.#hash.update(piece);
    this.#batch.push(piece);
    this.#gathered += piece.byteLength;
    if (this.#gathered >= batchBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#gathered = 0;
    await this.#startWriting(batch);
  }

  /** One write at a time, so that the file has no gaps. */
  async #startWriting(pieces: readonly Uint8Array[]): Promise<void> {
    await this.#writing;
    this.#writing = this.#write(pieces);
    // Whoever waits for it next is told; until then nobody may be waiting.
    this.#writing.catch(() => undefined);
  }

  async #write(pieces: readonly Uint8Array[]): Promise<void> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    const { bytesWritten } = await this.#handle.writev(pieces);
    // It may take less than it is given.
    if (bytesWritten < bytes) await this.#handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
    this.#written += bytes;
    this.#onWritten(this.#written);
  }
}
