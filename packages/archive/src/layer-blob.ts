import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Digest, GantryError } from '@gantry/interface';
import { addon, type BlobReader } from '@gantry/native';
import { detectCompression } from './compression.js';
import { decode } from './decode.js';
import { invalidArchive } from './errors.js';
import { type Extent, type GrowingBlobHandle, GrowingBlobReader } from './growing-blob.js';

/** Bytes of compressed input at a time, where node:zlib decompresses. */
const readSize = 256 * 1024;
const magicSize = 6;

/** What archives are hashed with. */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** A layer blob that is open to be read once, whole or still growing. Waiting for it to grow holds the thread. */
export class LayerBlob {
  /** Bytes of the whole blob. */
  readonly size: number;
  readonly #file: FileHandle;
  readonly #algorithm: DigestAlgorithm;
  readonly #growing: GrowingBlobReader | undefined;
  #digest: Digest | undefined;

  private constructor(file: FileHandle, size: number, algorithm: DigestAlgorithm, growing?: GrowingBlobHandle) {
    this.#file = file;
    this.size = size;
    this.#algorithm = algorithm;
    this.#growing = growing && new GrowingBlobReader(growing);
  }

  /** Opens a regular file; without waiting where there is a FIFO, or following where there is a link. */
  static async open(path: string, algorithm: DigestAlgorithm, growing?: GrowingBlobHandle): Promise<LayerBlob> {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = await file.stat();
    if (status.isFile()) return new LayerBlob(file, growing?.size ?? status.size, algorithm, growing);
    await file.close();
    throw new GantryError('INVALID_ARGUMENT', `blob ${path} is not a regular file`, {
      details: { field: 'blobPath', path },
    });
  }

  /** Of the uncompressed archive; undefined before it has been read to its end. */
  get digest(): Digest | undefined {
    return this.#digest;
  }

  /**
   * The uncompressed archive. A piece holds until the next one is asked for. `onRead` gets how many bytes of the blob are
   * read. Throws `INVALID_ARCHIVE` for a malformed stream, `CLOSED` if a growing blob is given up.
   */
  async *archive(
    onRead: (total: number) => void,
    onReader: (reader: BlobReader) => void = () => undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const head = Buffer.alloc(magicSize);
    this.#extentBeyond(magicSize - 1);
    const { bytesRead } = await this.#file.read(head, 0, magicSize, 0);
    const compression = detectCompression(head.subarray(0, bytesRead));
    if (compression === 'gzip' || compression === 'none') yield* this.#pieces(compression, onRead, onReader);
    else yield* this.#hashed(decode(compression, this.#chunks(onRead)));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  *#pieces(
    compression: 'gzip' | 'none',
    onRead: (total: number) => void,
    onReader: (reader: BlobReader) => void,
  ): Generator<Uint8Array, void, undefined> {
    const reader = new (addon().BlobReader)(this.#file.fd, compression, this.#algorithm);
    try {
      onReader(reader);
      let extent = this.#allow(reader, -1);
      for (let read = 0; ; ) {
        const piece = reader.next();
        const position = reader.position();
        if (position > read) onRead(position);
        read = position;
        if (piece === 'end') {
          this.#digest = `${this.#algorithm}:${reader.digest().toString('hex')}`;
          return;
        }
        if (typeof piece !== 'string') yield piece;
        if (!extent.isComplete) extent = this.#allow(reader, piece === 'starved' ? extent.available : -1);
      }
    } catch (error) {
      throw explain(error);
    } finally {
      reader.close();
    }
  }

  #allow(reader: BlobReader, beyond: number): Extent {
    const extent = this.#extentBeyond(beyond);
    reader.allow(extent.available, extent.isComplete);
    return extent;
  }

  async *#hashed(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const hash = createHash(this.#algorithm);
    for await (const piece of archive) {
      hash.update(piece);
      yield piece;
    }
    this.#digest = `${this.#algorithm}:${hash.digest('hex')}`;
  }

  async *#chunks(onRead: (total: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
    for (let position = 0; ; ) {
      const { available } = this.#extentBeyond(position);
      const length = Math.min(readSize, available - position);
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(length), 0, length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      onRead(position);
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Waits until there is more than that, or the end. */
  #extentBeyond(bytes: number): Extent {
    return this.#growing?.waitBeyond(bytes) ?? { available: this.size, isComplete: true };
  }
}

function explain(error: unknown): unknown {
  const isMalformed = error instanceof Error && 'code' in error && error.code === 'MALFORMED';
  return isMalformed ? invalidArchive(`the gzip stream is malformed (${error.message})`, undefined, error) : error;
}
