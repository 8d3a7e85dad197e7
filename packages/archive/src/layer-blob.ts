import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { GantryError } from '@gantry/interface';
import { addon, type BlobReader } from '@gantry/native';
import { detectCompression } from './compression.js';
import { decode } from './decode.js';
import { invalidArchive } from './errors.js';
import { type Extent, type GrowingBlobHandle, GrowingBlobReader } from './growing-blob.js';

/** Bytes of compressed input at a time, where node:zlib decompresses. */
const readSize = 256 * 1024;
const magicSize = 6;

/** A layer blob that is open for reading, whole or still growing. Waiting for it to grow holds the thread. */
export class LayerBlob {
  /** Bytes of the whole blob. */
  readonly size: number;
  readonly #file: FileHandle;
  readonly #growing: GrowingBlobReader | undefined;

  private constructor(file: FileHandle, size: number, growing: GrowingBlobReader | undefined) {
    this.#file = file;
    this.size = size;
    this.#growing = growing;
  }

  /** Opens a regular file; without waiting where there is a FIFO, or following where there is a link. */
  static async open(path: string, growing?: GrowingBlobHandle): Promise<LayerBlob> {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = await file.stat();
    if (status.isFile()) {
      return new LayerBlob(file, growing?.size ?? status.size, growing && new GrowingBlobReader(growing));
    }
    await file.close();
    throw new GantryError('INVALID_ARGUMENT', `blob ${path} is not a regular file`, {
      details: { field: 'blobPath', path },
    });
  }

  /**
   * The uncompressed archive. A piece holds until the next one is asked for. `onRead` gets how many bytes of the blob are
   * read. Throws `INVALID_ARCHIVE` for a malformed stream, `CLOSED` if a growing blob is given up.
   */
  async *archive(onRead: (total: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
    const head = Buffer.alloc(magicSize);
    this.#extentBeyond(magicSize - 1);
    const { bytesRead } = await this.#file.read(head, 0, magicSize, 0);
    const compression = detectCompression(head.subarray(0, bytesRead));
    if (compression === 'gzip' || compression === 'none') yield* this.#pieces(compression, onRead);
    else yield* decode(compression, this.#chunks(onRead));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  *#pieces(compression: 'gzip' | 'none', onRead: (total: number) => void): Generator<Uint8Array, void, undefined> {
    const reader = new (addon().BlobReader)(this.#file.fd, compression);
    try {
      let extent = this.#allow(reader, -1);
      for (let read = 0; ; ) {
        const piece = reader.next();
        const position = reader.position();
        if (position > read) onRead(position);
        read = position;
        if (piece === 'end') return;
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
