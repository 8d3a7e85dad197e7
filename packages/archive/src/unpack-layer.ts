import { readdir } from 'node:fs/promises';
import { type Digest, GantryError } from '@gantry/interface';
import { checkRatio, type UnpackBudget } from './budget.js';
import type { GrowingBlobHandle } from './growing-blob.js';
import { LayerApplier } from './layer-applier.js';
import { type DigestAlgorithm, LayerBlob } from './layer-blob.js';
import { TarParser } from './tar-parser.js';

/** What a worker is asked to unpack. */
export interface UnpackJob {
  readonly blobPath: string;
  readonly diffId: Digest;
  readonly target: string;
  readonly budget: UnpackBudget;
  readonly yields: boolean;
  /** Whether all is to belong to root, as there is no other user. */
  readonly squash: boolean;
  readonly growing?: GrowingBlobHandle;
}

/** What came of it. */
export interface UnpackResult {
  /** Entries of the archive. */
  readonly entries: number;
  /** Bytes of its regular files, holes included. */
  readonly bytes: number;
}

/** Unpacks a blob in this thread, and holds it while doing so. `onProgress` gets compressed bytes. */
export async function unpackLayer(
  job: UnpackJob,
  onProgress: (current: number, total: number) => void,
): Promise<UnpackResult> {
  await checkEmpty(job.target);
  const blob = await LayerBlob.open(job.blobPath, algorithmOf(job.diffId), job.growing);
  try {
    return await applyArchive(job, blob, (current) => onProgress(current, blob.size));
  } finally {
    await blob.close();
  }
}

/** Parses and applies the archive, and checks its digest. */
async function applyArchive(
  { diffId, target, budget, squash }: UnpackJob,
  blob: LayerBlob,
  onRead: (total: number) => void,
): Promise<UnpackResult> {
  const applier = new LayerApplier(target, budget, squash);
  const parser = new TarParser(applier, budget);
  let uncompressed = 0;
  try {
    for await (const chunk of blob.archive(onRead, (reader) => applier.writeBehind(reader))) {
      uncompressed += chunk.length;
      checkRatio(budget, uncompressed, blob.size);
      parser.write(chunk);
    }
    checkDigest(diffId, blob.digest);
    parser.finish();
    applier.finish();
    return { entries: applier.entries, bytes: applier.bytes };
  } catch (error) {
    throw applier.explain(error);
  } finally {
    applier.close();
  }
}

function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

function checkDigest(expected: Digest, actual: Digest | undefined): void {
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
