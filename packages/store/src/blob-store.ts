import { createHash, type Hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestAlgorithm, digestHex, maxDocumentBytes } from '@gantry/image-spec';
import { type Descriptor, type Digest, errnoOf, GantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import { ensureFolder, openRegularFile, syncFolder } from './durable.js';
import type { StoreFolders } from './folders.js';
import { ownedName } from './owned-name.js';

const chunkBytes = 256 * 1024;

/** Blobs of the OCI image layout: each is whole and verified from the moment it can be seen. */
export class BlobStore {
  readonly #folders: StoreFolders;

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  path(digest: Digest): string {
    return join(this.#folder(digest), digestHex(digest));
  }

  /**
   * True if the blob is there as a regular file of the right size. Asked for every blob of an image at every launch:
   * the kernel answers from memory, in less time than it takes to wake a thread that would ask it.
   */
  async has(descriptor: Descriptor): Promise<boolean> {
    try {
      const stat = lstatSync(this.path(descriptor.digest));
      return stat.isFile() && stat.size === descriptor.size;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw toGantryError(error, `blob ${descriptor.digest}`);
    }
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
    if (!file) {
      throw new GantryError('NOT_FOUND', `blob ${digest} is not in the store: pull an image that holds it`, {
        details: { digest },
      });
    }
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
    await rm(this.path(digest), { force: true });
    throw new GantryError(
      'DIGEST_MISMATCH',
      `blob ${digest} was damaged on disk and is discarded: pull its image again`,
      {
        details: { digest },
      },
    );
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
    options: { readonly signal?: AbortSignal; readonly onBytes?: (received: number) => void } = {},
  ): Promise<void> {
    const what = `blob ${descriptor.digest}`;
    const temporary = join(this.#folders.ingest, await ownedName());
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        const hash = hashFor(descriptor.digest);
        let received = 0;
        for await (const chunk of content) {
          throwIfAborted(options.signal, what);
          received += chunk.byteLength;
          if (received > descriptor.size) throw sizeMismatch(descriptor, received);
          hash.update(chunk);
          await handle.writeFile(chunk);
          options.onBytes?.(received);
        }
        if (received !== descriptor.size) throw sizeMismatch(descriptor, received);
        const actual = digestOf(descriptor.digest, hash);
        if (actual !== descriptor.digest) throw digestMismatch(descriptor.digest, actual);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, this.path(descriptor.digest));
    } catch (error) {
      await rm(temporary, { force: true });
      throw toGantryError(error, what);
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

function sizeMismatch(descriptor: Descriptor, received: number): GantryError {
  const amount = received > descriptor.size ? `more than ${descriptor.size}` : `${received}`;
  return new GantryError(
    'SIZE_MISMATCH',
    `blob ${descriptor.digest}: ${amount} bytes came where ${descriptor.size} were announced`,
    { details: { digest: descriptor.digest, expected: descriptor.size, received } },
  );
}

function digestMismatch(expected: Digest, actual: Digest): GantryError {
  return new GantryError('DIGEST_MISMATCH', `blob ${expected}: the content that came has digest ${actual}`, {
    details: { expected, actual },
  });
}
