import { createHash, type Hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestAlgorithm, digestHex, isDigest, maxDocumentBytes } from '@gantry/image-spec';
import { type Descriptor, type Digest, errnoOf, isGantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import { blobDamaged, blobNotFound, digestMismatch, sizeMismatch } from './blob-errors.js';
import { BlobWriter } from './blob-writer.js';
import { ensureFolder, moveFile, openRegularFile, putBack, syncFolder } from './durable.js';
import { namesIn } from './folder-names.js';
import type { StoreFolders } from './folders.js';
import { ownedName } from './owned-name.js';
import { Turns } from './turns.js';

const chunkBytes = 256 * 1024;

/** One who follows a blob's file while it is written. */
export interface WriteObserver {
  /** The file is there, empty. */
  started(path: string): void;
  /** That many bytes from its start are in it. */
  written(bytes: number): void;
  /** All are, and they are what the descriptor says. */
  verified(): void;
  /** It is given up; also after {@link verified}. */
  failed(): void;
}

export interface BlobWriteOptions {
  readonly signal?: AbortSignal;
  readonly onBytes?: (written: number) => void;
  readonly observer?: WriteObserver | undefined;
  /** A chunk's memory is written over once the next one is asked for. Default false: it is then kept for a while longer. */
  readonly isLent?: boolean;
}

/** Blobs of the OCI image layout: each is whole and verified from the moment it can be seen. */
export class BlobStore {
  readonly #folders: StoreFolders;

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  path(digest: Digest): string {
    return join(this.#folder(digest), digestHex(digest));
  }

  /** True if the blob is there as a regular file of the right size. */
  async has(descriptor: Descriptor): Promise<boolean> {
    return this.isPresent(descriptor);
  }

  /**
   * As {@link has}, at once. Asked for every blob of an image at every launch: the kernel answers from memory, in less
   * time than it takes to wake a thread that would ask it.
   */
  isPresent(descriptor: Descriptor): boolean {
    const stat = lstatSync(this.path(descriptor.digest), { throwIfNoEntry: false });
    return stat?.isFile() === true && stat.size === descriptor.size;
  }

  /** A small blob, verified. Undefined if it is absent or damaged: either way it has to be fetched. */
  async readDocument(descriptor: Descriptor): Promise<Uint8Array | undefined> {
    const file = await openRegularFile(this.path(descriptor.digest));
    if (!file) return undefined;
    try {
      if (file.size !== descriptor.size || file.size > maxDocumentBytes) return undefined;
      const bytes = await file.handle.readFile();
      return digestOf(descriptor.digest, hashFor(descriptor.digest).update(bytes)) === descriptor.digest
        ? bytes
        : undefined;
    } finally {
      await file.handle.close();
    }
  }

  /** Streams a blob. `NOT_FOUND` if absent; `DIGEST_MISMATCH` at the end, once it is discarded, if it is damaged. */
  async *stream(digest: Digest): AsyncIterable<Uint8Array> {
    const file = await openRegularFile(this.path(digest));
    if (!file) throw blobNotFound(digest);
    const hash = hashFor(digest);
    try {
      for (;;) {
        const { bytesRead, buffer } = await file.handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes);
        if (bytesRead === 0) break;
        const chunk = buffer.subarray(0, bytesRead);
        hash.update(chunk);
        yield chunk;
      }
    } finally {
      await file.handle.close();
    }
    if (digestOf(digest, hash) === digest) return;
    await this.#discard(digest, file.ino);
    throw blobDamaged(digest);
  }

  /** What is wrong with a blob, in words; it is then discarded. Undefined if it is good, or gone. */
  async faultOf(digest: Digest, onChunk: () => void): Promise<string | undefined> {
    try {
      for await (const _ of this.stream(digest)) onChunk();
      return undefined;
    } catch (error) {
      if (isGantryError(error, 'DIGEST_MISMATCH')) return error.message;
      const stat = lstatSync(this.path(digest), { throwIfNoEntry: false });
      if (!stat) return undefined;
      const isReadable = stat.isFile() && errnoOf(error) !== 'EIO';
      if (isReadable) throw error;
      await this.#discard(digest, stat.ino);
      return stat.isFile() ? 'the disk cannot read it' : 'it is no regular file';
    }
  }

  /** Reads a blob through; a damaged one is discarded, so that the next pull fetches it, and reported as {@link stream} does. */
  async verify(digest: Digest): Promise<void> {
    for await (const _ of this.stream(digest));
  }

  /**
   * Writes a blob: hashed while it streams, on disk before it is renamed to its place. `SIZE_MISMATCH` or
   * `DIGEST_MISMATCH` if the content is not the descriptor's. Its name is durable after {@link sync}.
   */
  async write(
    descriptor: Descriptor,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: BlobWriteOptions = {},
  ): Promise<void> {
    const { signal, onBytes, observer, isLent = false } = options;
    const what = `blob ${descriptor.digest}`;
    const temporary = join(this.#folders.ingest, await ownedName());
    try {
      const handle = await open(temporary, 'wx', 0o600);
      observer?.started(temporary);
      const writer = new BlobWriter(handle, descriptor, (bytes) => {
        observer?.written(bytes);
        onBytes?.(bytes);
      });
      try {
        for await (const chunk of content) {
          throwIfAborted(signal, what);
          await writer.take(chunk, isLent);
        }
        await writer.finish();
        observer?.verified();
        await handle.sync();
      } finally {
        await writer.settle();
        await handle.close();
      }
      await rename(temporary, this.path(descriptor.digest));
    } catch (error) {
      observer?.failed();
      await rm(temporary, { force: true });
      throw toGantryError(error, what);
    }
  }

  /** Every blob that is there, with its size. What is under no digest's name is none. */
  async *list(): AsyncIterable<{ readonly digest: Digest; readonly size: number }> {
    const turns = new Turns();
    for (const algorithm of await namesIn(join(this.#folders.layout, 'blobs'))) {
      for (const hex of await namesIn(join(this.#folders.layout, 'blobs', algorithm))) {
        const digest = `${algorithm}:${hex}`;
        if (!isDigest(digest)) continue;
        await turns.pause();
        const stat = lstatSync(this.path(digest), { throwIfNoEntry: false });
        if (stat) yield { digest, size: stat.size };
      }
    }
  }

  /** Makes the folders that these blobs go to. */
  async prepare(blobs: readonly Descriptor[]): Promise<void> {
    for (const folder of this.#foldersOf(blobs)) await ensureFolder(folder);
  }

  /** Brings the names of these blobs to the disk: one flush a folder, however many blobs. */
  async sync(blobs: readonly Descriptor[]): Promise<void> {
    for (const folder of this.#foldersOf(blobs)) await syncFolder(folder);
  }

  /** Removes a damaged blob, unless another process has replaced it with a good one in the meantime. */
  async #discard(digest: Digest, ino: number): Promise<void> {
    const path = this.path(digest);
    const aside = join(this.#folders.ingest, await ownedName());
    await ensureFolder(this.#folders.ingest);
    if (!(await moveFile(path, aside))) return;
    if (lstatSync(aside).ino !== ino) await putBack(aside, path);
    await rm(aside, { recursive: true, force: true });
  }

  #foldersOf(blobs: readonly Descriptor[]): ReadonlySet<string> {
    return new Set(blobs.map((blob) => this.#folder(blob.digest)));
  }

  #folder(digest: Digest): string {
    return join(this.#folders.layout, 'blobs', digestAlgorithm(digest));
  }
}

/** Checks bytes in memory against a descriptor. `SIZE_MISMATCH` or `DIGEST_MISMATCH`. */
export function verifyBytes(descriptor: Descriptor, bytes: Uint8Array): void {
  if (bytes.byteLength !== descriptor.size) throw sizeMismatch(descriptor, bytes.byteLength);
  const actual = digestOf(descriptor.digest, hashFor(descriptor.digest).update(bytes));
  if (actual !== descriptor.digest) throw digestMismatch(descriptor.digest, actual);
}

function hashFor(digest: Digest): Hash {
  return createHash(digestAlgorithm(digest));
}

function digestOf(like: Digest, hash: Hash): Digest {
  return `${digestAlgorithm(like)}:${hash.digest('hex')}`;
}
