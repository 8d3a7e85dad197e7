import type { CallOptions } from './options.js';
import type { UnpackedImage } from './store.js';

/** An overlay mount: what to stack, lowest first. Made inside the container's own mount namespace, so that none is left behind. */
export interface OverlayRootfs {
  readonly type: 'overlay';
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** A folder of the host used as it is. */
export interface DirectoryRootfs {
  readonly type: 'directory';
  readonly source: string;
}

/** A container's root file system, described; the launcher has the shim mount it at `path`. */
export interface Rootfs {
  /** The empty folder of the host over which the root is mounted, private to the container. */
  readonly path: string;
  readonly mount: OverlayRootfs | DirectoryRootfs;
  /**
   * Reads a regular file as the container will see it at its start: symbolic links and whiteouts are followed
   * inside the root. Undefined if absent; `LIMIT_EXCEEDED` over `maxBytes` (default 10 MiB); `REFUSED` if not a regular file.
   */
  readFile(path: string, options?: { readonly maxBytes?: number }): Promise<Uint8Array | undefined>;
}

/** What a container's root is made of. */
export type RootfsSource = { readonly image: UnpackedImage } | { readonly directory: string };

/** Gives containers root file systems. `destroy` is idempotent and needs no memory of `provision`. */
export interface Provisioner {
  /** What `provision` would give, without making anything. */
  describe(containerId: string, source: RootfsSource): Promise<Rootfs>;
  provision(containerId: string, source: RootfsSource, options?: CallOptions): Promise<Rootfs>;
  /** Removes all that `provision` made for the container; false if there was nothing. */
  destroy(containerId: string): Promise<boolean>;
  /** Ids of all containers for which something is provisioned. */
  list(): AsyncIterable<string>;
}
