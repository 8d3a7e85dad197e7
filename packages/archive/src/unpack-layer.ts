import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { type Digest, GantryError } from '@gantry/interface';
import { checkRatio, type UnpackBudget } from './budget.js';
import { detectCompression } from './compression.js';
import { decode } from './decompress.js';
import { LayerApplier } from './layer-applier.js';
import { TarParser } from './tar-parser.js';

/** What a worker is asked to unpack. */
export interface UnpackJob {
  readonly blobPath: string;
  readonly diffId: Digest;
  readonly target: string;
  readonly budget: UnpackBudget;
}

/** What came of it. */
export interface UnpackResult {
  /** Entries of the archive. */
  readonly entries: number;
  /** Bytes of its regular files, holes included. */
  readonly bytes: number;
}

/** Bytes of compressed input at a time. */
const readSize = 256 * 1024;

/** Unpacks a blob in this thread, which it holds for some milliseconds at a time. `onProgress` gets compressed bytes. */
export async function unpackLayer(
  job: UnpackJob,
  onProgress: (current: number, total: number) => void,
): Promise<UnpackResult> {
  await checkEmpty(job.target);
  const blob = await openRegular(job.blobPath);
  try {
    const { size } = await blob.stat();
    const head = Buffer.alloc(4);
    const { bytesRead } = await blob.read(head, 0, head.length, 0);
    const compression = detectCompression(head.subarray(0, bytesRead));
    const source = readBlob(blob, (current) => onProgress(current, size));
    return await applyArchive(job, decode(compression, source), size);
  } finally {
    await blob.close();
  }
}

/** Hashes, parses and applies an uncompressed archive. */
async function applyArchive(
  { diffId, target, budget }: UnpackJob,
  archive: AsyncIterable<Uint8Array>,
  compressedSize: number,
): Promise<UnpackResult> {
  const hash = createHash(diffId.slice(0, diffId.indexOf(':')));
  const applier = new LayerApplier(target, budget);
  const parser = new TarParser(applier, budget);
  let uncompressed = 0;
  try {
    for await (const chunk of archive) {
      uncompressed += chunk.length;
      checkRatio(budget, uncompressed, compressedSize);
      hash.update(chunk);
      parser.write(chunk);
    }
    checkDigest(diffId, `${diffId.slice(0, diffId.indexOf(':'))}:${hash.digest('hex')}`);
    parser.finish();
    applier.finish();
    return { entries: applier.entries, bytes: applier.bytes };
  } catch (error) {
    throw applier.explain(error);
  } finally {
    applier.close();
  }
}

function checkDigest(expected: Digest, actual: string): void {
  if (actual === expected) return;
  throw new GantryError('DIGEST_MISMATCH', `layer ${expected}: the uncompressed archive is ${actual}`, {
    details: { expected, actual },
  });
}

async function checkEmpty(target: string): Promise<void> {
  const [name] = await readdir(target);
  if (name === undefined) return;
  throw new GantryError('INVALID_ARGUMENT', `target ${target} is not empty: unpack into a new folder`, {
    details: { field: 'target', path: target },
  });
}

/** Opens a regular file; without waiting where there is a FIFO, or following where there is a link. */
async function openRegular(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new GantryError('INVALID_ARGUMENT', `blob ${path} is not a regular file`, {
    details: { field: 'blobPath', path },
  });
}

async function* readBlob(blob: FileHandle, onRead: (total: number) => void): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await blob.read(Buffer.allocUnsafe(readSize), 0, readSize, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    onRead(position);
    yield buffer.subarray(0, bytesRead);
  }
}
