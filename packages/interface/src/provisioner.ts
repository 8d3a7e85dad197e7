import type { CallOptions } from './options.js';
import type { UnpackedImage } from './store.js';

/** An overlay mount: what to stack, lowest first. Made inside the container's own mount namespace, so that none is left behind. */
export interface OverlayRootfs {
  readonly type: 'overlay';
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
  /** Whiteouts' and opaque folders' attributes are `user.overlay.*`: the mount belongs to a user namespace. Default false: `trusted.overlay.*`. */
  readonly userxattr?: boolean;
}

/** A folder of the host used as it is. */
export interface DirectoryRootfs {
  readonly type: 'directory';
  readonly source: string;
  /** Nothing is written to it, not even mount points: those that it lacks fail the launch. Default false. */
  readonly readonly?: boolean;
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

/**
 * A way to make a root of an image's layers. `overlay`: stacked by the kernel under a writable folder. `copy`: copied to a
 * folder of the container's own. `bind`: the one layer itself, read-only.
 */
export type BackendName = 'overlay' | 'copy' | 'bind';

/** What a backend can do on this host, in this folder. */
export interface BackendAbility {
  readonly backend: BackendName;
  readonly works: boolean;
  /** Why it does not work, and what to change; only then. */
  readonly reason?: string;
  /** What it cannot do, or does worse than elsewhere, although it works; in words for people. */
  readonly limits: readonly string[];
}

/** Gives containers root file systems. `destroy` is idempotent and needs no memory of `provision`. */
export interface Provisioner {
  /** What `provision` would give, without making anything. */
  describe(containerId: string, source: RootfsSource): Promise<Rootfs>;
  provision(containerId: string, source: RootfsSource, options?: CallOptions): Promise<Rootfs>;
  /** Removes all that `provision` made for the container; false if there was nothing. */
  destroy(containerId: string): Promise<boolean>;
  /** Ids of all containers for which something is provisioned. */
  list(): AsyncIterable<string>;
  /** Says of each backend whether it works here, by trying it once; the answer is kept. Leaves nothing. */
  probe?(options?: CallOptions): Promise<readonly BackendAbility[]>;
  /**
   * Streams what the container changed in its root as an uncompressed layer archive. Of a running container, what it
   * writes meanwhile may be in it or not, file by file. `NOT_FOUND` without a root; `UNSUPPORTED` where the backend
   * cannot tell.
   */
  changes?(containerId: string, options?: CallOptions): AsyncIterable<Uint8Array>;
}
