import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestAlgorithm, digestHex } from '@gantry/image-spec';
import { type Digest, errnoOf } from '@gantry/interface';
import type { Content, ContentWriter } from './content.js';
import { RunningDigest } from './running-digest.js';

const pieceBytes = 1024 * 1024;

/** Content in files: `blobs/<algorithm>/<hex>`, and `uploads` for what is not complete. */
export class FolderContent implements Content {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  #path(digest: Digest): string {
    return join(this.#folder, 'blobs', digestAlgorithm(digest), digestHex(digest));
  }

  async size(digest: Digest): Promise<number | undefined> {
    try {
      return (await stat(this.#path(digest))).size;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async *read(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array> {
    if (end <= start) return;
    yield* createReadStream(this.#path(digest), { start, end: end - 1, highWaterMark: pieceBytes });
  }

  async begin(): Promise<ContentWriter> {
    const uploads = join(this.#folder, 'uploads');
    await mkdir(uploads, { recursive: true });
    const path = join(uploads, randomUUID());
    return new FileWriter(await open(path, 'wx'), path, (digest) => this.#path(digest));
  }
}

class FileWriter implements ContentWriter {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #pathOf: (digest: Digest) => string;
  readonly #digest = new RunningDigest();
  #size = 0;

  constructor(file: FileHandle, path: string, pathOf: (digest: Digest) => string) {
    this.#file = file;
    this.#path = path;
    this.#pathOf = pathOf;
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#digest.update(chunk);
    await this.#file.writeFile(chunk);
    this.#size += chunk.length;
  }

  async commit(digest: Digest): Promise<boolean> {
    if (!this.#digest.equals(digest)) {
      await this.discard();
      return false;
    }
    await this.#file.close();
    const path = this.#pathOf(digest);
    await mkdir(join(path, '..'), { recursive: true });
    await rename(this.#path, path);
    return true;
  }

  async discard(): Promise<void> {
    await this.#file.close();
    await rm(this.#path, { force: true });
  }
}
