import { type CallOptions, GantryError } from '@gantry/interface';
import { runInThread } from './stream-thread.js';
import type { OverlayMarks } from './tree-packer.js';

/** Options of {@link packTree}. */
export interface PackTreeOptions extends Pick<CallOptions, 'signal'> {
  /** Seconds since the epoch that every entry gets in place of its own time. */
  readonly mtime?: number;
}

/** Options of {@link diffLayer}. */
export interface DiffLayerOptions extends PackTreeOptions {
  /** The upper folder of an overlay mount. Nothing should be writing to the mount meanwhile. */
  readonly upper: string;
  /** Whether the mount has the option `userxattr`: overlayfs then keeps its marks in `user.overlay.*`. Default: `trusted.overlay.*`. */
  readonly userXattr?: boolean;
}

/**
 * Packs what a container changed into an OCI layer, uncompressed: the upper folder of its overlay mount, with whiteouts as `.wh.` entries,
 * opaque folders with `.wh..wh..opq`, and hard links, devices, attributes and holes kept. Sockets are left out. Names are in
 * the order of their bytes, so the same folder gives the same archive. Reading happens in a worker thread, through
 * descriptors and without following a link. OCI image-spec, layer.md.
 *
 * @throws `UNSUPPORTED` for what a layer cannot say (a moved folder of `redirect_dir`, a file of `metacopy` without its data, a name that
 * starts with `.wh.`) and without Linux; `LIMIT_EXCEEDED` for paths over 4095 bytes or 1024 folders; `WRONG_STATE` for a file
 * that changes while it is read; `PERMISSION_DENIED`, `ABORTED`, `SYSTEM`.
 */
export function diffLayer(options: DiffLayerOptions): AsyncIterable<Uint8Array> {
  const { upper, userXattr = false, ...rest } = options;
  return pack(upper, userXattr ? 'user' : 'trusted', rest);
}

/**
 * Packs a folder as it is into an uncompressed OCI layer that holds all of it: as {@link diffLayer}, but whatever marks of
 * overlayfs the folder has mean nothing, and a character device 0:0 is `UNSUPPORTED`.
 */
export function packTree(folder: string, options: PackTreeOptions = {}): AsyncIterable<Uint8Array> {
  return pack(folder, 'none', options);
}

async function* pack(
  folder: string,
  overlay: OverlayMarks,
  { mtime, signal }: PackTreeOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (process.platform !== 'linux') {
    throw new GantryError('UNSUPPORTED', `packing a folder as a layer needs Linux; this is ${process.platform}`);
  }
  yield* runInThread({ type: 'pack', folder, overlay, mtime }, `packing ${folder}`, signal);
}
