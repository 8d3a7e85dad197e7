import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestAlgorithm, maxDocumentBytes } from '@gantry/image-spec';
import { type Descriptor, type Digest, GantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import { digestMismatch, sizeMismatch } from '../blob-errors.js';
import { type BlobStore, verifyBytes } from '../blob-store.js';
import type { StoreFolders } from '../folders.js';
import { ownedName } from '../owned-name.js';

const pieceBytes = 256 * 1024;

/** A blob to be written. */
export interface NewBlob {
  readonly mediaType: string;
  /** What its content must be, where that is known: else its digest will be sha256 and its size what comes. */
  readonly expected?: { readonly digest: Digest; readonly size?: number };
  readonly signal: AbortSignal | undefined;
  readonly onBytes?: (written: number) => void;
}

/**
 * The new blobs of one import. They are written aside and go into the layout together, at the end: an import that
 * fails or is aborted leaves nothing there. What the store has already is not written again.
 */
export class StagedBlobs implements AsyncDisposable {
  readonly #folders: StoreFolders;
  readonly #blobs: BlobStore;
  readonly #files = new Map<Digest, { readonly descriptor: Descriptor; readonly path: string }>();

  constructor(folders: StoreFolders, blobs: BlobStore) {
    this.#folders = folders;
    this.#blobs = blobs;
  }

  /** Whether the blob is in the store or was written before. */
  async has(descriptor: Descriptor): Promise<boolean> {
    return this.#files.get(descriptor.digest)?.descriptor.size === descriptor.size || this.#blobs.has(descriptor);
  }

  /** Writes a blob. `SIZE_MISMATCH` or `DIGEST_MISMATCH` if it is not what is expected. */
  async add(content: AsyncIterable<Uint8Array>, blob: NewBlob): Promise<Descriptor> {
    const path = join(this.#folders.ingest, await ownedName());
    try {
      const handle = await open(path, 'wx', 0o600);
      let written: { readonly digest: Digest; readonly size: number };
      try {
        written = await write(handle, content, blob);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return await this.#keep({ mediaType: blob.mediaType, ...written }, path);
    } catch (error) {
      await rm(path, { force: true });
      throw toGantryError(error, blob.expected ? `blob ${blob.expected.digest}` : 'a new blob');
    }
  }

  /** Adds a small blob that is in memory. `SIZE_MISMATCH` or `DIGEST_MISMATCH` as of {@link add}. */
  async addDocument(bytes: Uint8Array, descriptor: Descriptor): Promise<void> {
    verifyBytes(descriptor, bytes);
    if (this.#files.has(descriptor.digest) || (await this.#blobs.readDocument(descriptor))) return;
    await this.add(once(bytes), { mediaType: descriptor.mediaType, expected: descriptor, signal: undefined });
  }

  /** A blob that was added, or that the store has. */
  read(digest: Digest): AsyncIterable<Uint8Array> {
    const file = this.#files.get(digest);
    return file ? createReadStream(file.path, { highWaterMark: pieceBytes }) : this.#blobs.stream(digest);
  }

  /** A small blob that was added, or that the store has; `LIMIT_EXCEEDED` if it is no small one. */
  async readDocument({ digest, size }: Descriptor): Promise<Uint8Array> {
    if (size > maxDocumentBytes) {
      throw new GantryError('LIMIT_EXCEEDED', `document ${digest}: ${size} bytes, more than ${maxDocumentBytes}`, {
        details: { digest, size, limit: maxDocumentBytes },
      });
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of this.read(digest)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** Puts all of them into the layout; durable when it resolves. */
  async commit(): Promise<void> {
    const descriptors = [...this.#files.values()].map((file) => file.descriptor);
    await this.#blobs.prepare(descriptors);
    for (const [digest, { path }] of this.#files) {
      await rename(path, this.#blobs.path(digest));
      this.#files.delete(digest);
    }
    await this.#blobs.sync(descriptors);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { path } of this.#files.values()) await rm(path, { force: true });
    this.#files.clear();
  }

  /** The store is asked in any case: what it is asked for is safe from garbage collection. */
  async #keep(descriptor: Descriptor, path: string): Promise<Descriptor> {
    const isStored = await this.#blobs.has(descriptor);
    if (isStored || this.#files.has(descriptor.digest)) await rm(path, { force: true });
    else this.#files.set(descriptor.digest, { descriptor, path });
    return descriptor;
  }
}

async function write(
  handle: FileHandle,
  content: AsyncIterable<Uint8Array>,
  { mediaType, expected, signal, onBytes }: NewBlob,
): Promise<{ digest: Digest; size: number }> {
  const algorithm = expected ? digestAlgorithm(expected.digest) : 'sha256';
  const most = expected?.size ?? Number.POSITIVE_INFINITY;
  const hash = createHash(algorithm);
  let size = 0;
  for await (const chunk of gathered(content)) {
    throwIfAborted(signal, 'import');
    size += chunk.byteLength;
    if (size > most) break;
    hash.update(chunk);
    await handle.writeFile(chunk);
    onBytes?.(size);
  }
  if (expected?.size !== undefined && size !== expected.size) {
    throw sizeMismatch({ mediaType, digest: expected.digest, size: expected.size }, size);
  }
  const digest: Digest = `${algorithm}:${hash.digest('hex')}`;
  if (expected && digest !== expected.digest) throw digestMismatch(expected.digest, digest);
  return { digest, size };
}

/** Small pieces joined, so that an archive of many small files is not written header by header. */
async function* gathered(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of content) {
    pieces.push(piece);
    length += piece.byteLength;
    if (length < pieceBytes) continue;
    yield pieces.length === 1 ? piece : Buffer.concat(pieces);
    pieces = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(pieces);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
