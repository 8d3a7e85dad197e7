import { type CallOptions, type Digest, GantryError } from '@gantry/interface';
import { completeBudget, type UnpackBudget } from './budget.js';
import { compressionOf } from './compression.js';
import type { GrowingBlobHandle } from './growing-blob.js';
import { isOrdinary, squashesOwners } from './namespace/start-worker.js';
import { threadPool } from './thread-pool.js';
import type { UnpackResult } from './unpack-layer.js';

/** What {@link applyLayer} is to unpack, and where to. */
export interface ApplyLayerOptions extends CallOptions {
  /** A regular file: the layer blob as it was fetched. */
  readonly blobPath: string;
  /** One of OCI's or Docker's layer media types. */
  readonly mediaType: string;
  /** Digest of the uncompressed archive. */
  readonly diffId: Digest;
  /** An empty folder, mode 0700 and in a place of which the caller is the only user. */
  readonly target: string;
  /**
   * Set where the blob file is still being written: it is unpacked as it grows. The caller keeps the result out of sight until
   * the digest of the complete blob is verified; if it is wrong, or the download starts again, he calls `fail`.
   */
  readonly growing?: GrowingBlobHandle;
  /** Whether layers that are unpacked at the same time go first: where all are wanted, the largest says when they are there. */
  readonly yields?: boolean;
  readonly budget?: Partial<UnpackBudget>;
}

const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/**
 * Unpacks one layer in a worker thread, in overlayfs form: a whiteout becomes a character device 0:0, an opaque whiteout
 * the extended attribute `trusted.overlay.opaque` of its folder. Reports `unpacking` with `diffId` and compressed
 * bytes, at most 20 times a second. Whatever fails, the target is left half-filled for the caller to remove, with
 * {@link removeTree}; nothing outside it is touched.
 *
 * @throws `INVALID_ARCHIVE`, `LIMIT_EXCEEDED` or `DIGEST_MISMATCH` for the layer; `UNSUPPORTED` for its media type, the
 * operating system or the file system; `PERMISSION_DENIED` without root; `INVALID_ARGUMENT`, `ABORTED`, `SYSTEM`.
 */
export async function applyLayer(options: ApplyLayerOptions): Promise<UnpackResult> {
  const { blobPath, mediaType, diffId, target, growing, yields = false, signal, onProgress } = options;
  const budget = completeBudget(options.budget);
  if (!digestPattern.test(diffId)) {
    throw new GantryError('INVALID_ARGUMENT', `diffId ${JSON.stringify(diffId)} is not a digest`, {
      details: { field: 'diffId' },
    });
  }
  // What the bytes turn out to be decides in the end; this refuses what is no layer at all.
  compressionOf(mediaType);
  if (growing && isOrdinary()) {
    throw new GantryError('UNSUPPORTED', 'a blob that grows is unpacked for a program of root only');
  }
  checkHost();
  const squash = await squashesOwners();
  return threadPool.run(
    { type: 'unpack', job: { blobPath, diffId, target, budget, yields, squash, ...(growing && { growing }) } },
    {
      what: `unpacking layer ${diffId}`,
      signal,
      onBytes: onProgress && ((current, total) => onProgress({ type: 'unpacking', digest: diffId, current, total })),
    },
  );
}

/**
 * Starts the threads of so many calls of {@link applyLayer} that will follow within seconds, which each would else wait for, and
 * resolves when they are started, not when they are ready. Does nothing where layers cannot be unpacked.
 */
export async function prepareToApply(layers: number): Promise<void> {
  if (process.platform === 'linux') await threadPool.prepare(layers);
}

/**
 * Removes a file or folder and all below it, in a worker thread. Unlike `fs.rm` it does so at any depth, also where the paths
 * are longer than the kernel takes; links are not followed. Does nothing if it is gone already.
 *
 * @throws `PERMISSION_DENIED`, `SYSTEM`; `ABORTED` may leave a part of the tree.
 */
export async function removeTree(path: string, options: Pick<CallOptions, 'signal'> = {}): Promise<void> {
  await threadPool.run({ type: 'remove', path }, { what: `removing ${path}`, signal: options.signal });
}

function checkHost(): void {
  if (process.platform !== 'linux') {
    throw new GantryError('UNSUPPORTED', `unpacking a layer needs Linux; this is ${process.platform}`);
  }
}
