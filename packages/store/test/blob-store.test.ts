import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Descriptor } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlobStore } from '../src/blob-store.js';
import { BlobWriter } from '../src/blob-writer.js';
import { type StoreFolders, storeFolders } from '../src/folders.js';
import { CollectorNotices } from '../src/garbage/collector-notices.js';
import { HeldBlobStore } from '../src/garbage/held-blob-store.js';
import { Holds } from '../src/garbage/holds.js';

let folders: StoreFolders;
let blobs: BlobStore;

beforeEach(async () => {
  folders = storeFolders(await mkdtemp(join(tmpdir(), 'gantry-store-')));
  await mkdir(folders.ingest);
  blobs = new BlobStore(folders);
});

afterEach(async () => {
  await rm(folders.root, { recursive: true });
});

function describeBytes(bytes: Uint8Array): Descriptor {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;
  return { mediaType: 'application/octet-stream', digest, size: bytes.byteLength };
}

/** Sizes below, at and above those at which the writer gathers and splits. */
const sizes = [1, 65_536, 0, 200_000, 262_143, 262_144, 1_048_576, 3_000_001, 7, 900_000, 300_000, 5];
const content = randomBytes(sizes.reduce((sum, size) => sum + size, 0));

function* pieces(): Generator<Buffer> {
  let start = 0;
  for (const size of sizes) {
    yield content.subarray(start, start + size);
    start += size;
  }
}

/** As a source that reads into the same memory over and over. */
function* lentPieces(): Generator<Buffer> {
  const memory = Buffer.alloc(Math.max(...sizes));
  for (const piece of pieces()) {
    piece.copy(memory);
    yield memory.subarray(0, piece.length);
    memory.fill(0xff);
  }
}

describe('a blob that is written', () => {
  it.each([
    ['kept', pieces, false],
    ['lent', lentPieces, true],
  ])('is what came, in chunks of any size that are %s', async (_, source, isLent) => {
    const descriptor = describeBytes(content);
    await blobs.prepare([descriptor]);
    const told: number[] = [];
    await blobs.write(descriptor, source(), { isLent, onBytes: (bytes) => told.push(bytes) });
    expect((await readFile(blobs.path(descriptor.digest))).equals(content)).toBe(true);
    expect(told.at(-1)).toBe(content.length);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  it('is told to one who follows it: never more than is in the file, and the end only when it is verified', async () => {
    const descriptor = describeBytes(content);
    await blobs.prepare([descriptor]);
    const seen: string[] = [];
    let path = '';
    const observer = {
      started: (file: string) => {
        path = file;
        seen.push('started');
      },
      written: (bytes: number) => {
        expect(readFileSync(path).subarray(0, bytes).equals(content.subarray(0, bytes))).toBe(true);
        seen.push('written');
      },
      verified: () => seen.push('verified'),
      failed: () => seen.push('failed'),
    };
    await blobs.write(descriptor, pieces(), { observer });
    expect(new Set(seen)).toEqual(new Set(['started', 'written', 'verified']));
    expect(seen.at(-1)).toBe('verified');
    seen.length = 0;
    const wrong = { ...descriptor, digest: `sha256:${'0'.repeat(64)}` as const };
    await expect(blobs.write(wrong, pieces(), { observer })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(seen).not.toContain('verified');
    expect(seen.at(-1)).toBe('failed');
    expect(await readdir(folders.ingest)).toEqual([]);
  });
});

/** A file that takes its time, and less than it is given. */
class SlowFile {
  readonly #content: Uint8Array[] = [];

  async writev(pieces: readonly Uint8Array[]) {
    await setImmediate();
    const taken = Buffer.concat(pieces).subarray(0, 100_000);
    this.#content.push(taken);
    return { bytesWritten: taken.length };
  }

  async writeFile(rest: Uint8Array): Promise<void> {
    await setImmediate();
    this.#content.push(Uint8Array.from(rest));
  }

  read(): Buffer {
    return Buffer.concat(this.#content);
  }
}

describe('a writer whose file is slow and takes less than it is given', () => {
  it.each([
    ['kept', pieces, false],
    ['lent', lentPieces, true],
  ])('writes what came, in chunks that are %s', async (_, source, isLent) => {
    const file = new SlowFile();
    const writer = new BlobWriter(file, describeBytes(content), () => undefined);
    for (const piece of source()) await writer.take(piece, isLent);
    await writer.finish();
    expect(file.read().equals(content)).toBe(true);
  });
});

describe('the blobs of a call that cannot tell beforehand which it needs', () => {
  it('are held from the moment it asks for them', async () => {
    const holds = new Holds(folders, new CollectorNotices(folders));
    const hold = await holds.take({}, 'test');
    const held = new HeldBlobStore(folders, hold);
    const [asked, read, streamed, prepared] = [1, 2, 3, 4].map((seed) => describeBytes(Buffer.alloc(10, seed)));
    if (!asked || !read || !streamed || !prepared) throw new Error('four blobs');
    await held.has(asked);
    await held.readDocument(read);
    await expect(held.stream(streamed.digest)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await held.prepare([prepared]);
    const digests = [asked, read, streamed, prepared].map((blob) => blob.digest);
    expect((await holds.read()).blobs).toEqual(new Set(digests));
    await hold.release();
    expect((await holds.read()).blobs).toEqual(new Set());
  });
});
