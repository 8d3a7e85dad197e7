import type { Digest, Image, ImageConfig, Platform } from './image.js';
import type { CallOptions } from './options.js';
import type { Credentials } from './registry.js';

export interface PullOptions extends CallOptions {
  /** Defaults to the host's. */
  readonly platform?: Platform;
  readonly credentials?: Credentials;
  /** Ask the registry even if the reference is in the store. */
  readonly force?: boolean;
  /**
   * Unpack each layer while it downloads, so that a following `unpack` finds it done. Needs what `unpack` needs, and
   * fails with what it fails with; the reference is then not changed. Default false.
   */
  readonly unpack?: boolean;
  /**
   * Give an image only to a caller who could pull it now: the registry itself, not a mirror, is asked for the manifest with
   * this call's credentials, and `UNAUTHORIZED` or `NOT_FOUND` is the caller's answer. A registry that cannot be asked gives
   * nothing: `UNREACHABLE`. Default false.
   */
  readonly checkAccess?: boolean;
}

export interface PulledImage extends Image {
  /** True if nothing was fetched. */
  readonly cached: boolean;
}

/** An image whose layers are unpacked on this machine. */
export interface UnpackedImage extends Image {
  /** Absolute paths of read-only layer folders in overlayfs form (whiteouts are 0:0 devices), lowest first. */
  readonly layerPaths: readonly string[];
}

/**
 * An image that is in no registry. Paths are of the host. `reference` picks one of several images: the repository tag of
 * a docker-archive, the `org.opencontainers.image.ref.name` of a layout; it may be left out where there is just one.
 */
export type ImageSource =
  /** What `docker save` writes, old form and new; plain or compressed. */
  | { readonly type: 'docker-archive'; readonly path: string; readonly reference?: string }
  | { readonly type: 'oci-layout'; readonly path: string; readonly reference?: string }
  | { readonly type: 'oci-archive'; readonly path: string; readonly reference?: string }
  /** An appc image archive; what it depends on is discovered. */
  | { readonly type: 'aci'; readonly path: string }
  /** An appc image found by its name and labels (`version`, `os`, `arch`): appc 0.8 discovery. */
  | { readonly type: 'appc'; readonly name: string; readonly labels?: ReadonlyMap<string, string> }
  /** A folder that becomes an image of one layer. */
  | { readonly type: 'directory'; readonly path: string; readonly config?: Partial<ImageConfig> };

export interface ImportOptions extends CallOptions {
  /** The reference under which the store keeps the image; without it, the source's own name must be a valid one. */
  readonly as?: string;
  /** Of an index; defaults to the host's. */
  readonly platform?: Platform;
}

export interface ExportOptions extends CallOptions {
  readonly format: 'docker-archive' | 'oci-archive';
  readonly platform?: Platform;
}

/**
 * A durable promise that the named images and layers stay. It outlives the process that took it: a container's lease
 * is taken before its launch and released after its clean-up, whoever does that.
 */
export interface LeaseRecord {
  /** Chosen by its holder, e.g. `container/web-1`; 1 to 255 characters of `[A-Za-z0-9._/-]`. */
  readonly id: string;
  /** Of the manifests. */
  readonly images: readonly Digest[];
  /** When it was taken, as in RFC 3339. */
  readonly time: string;
}

export interface GarbageOptions extends CallOptions {
  /** Images used or pulled within this many milliseconds stay. Default 0. */
  readonly olderThanMs?: number;
  /** Stop once the store's file system has this many bytes free; oldest use goes first. Without it, everything that may go does. */
  readonly untilFreeBytes?: number;
  /** References that stay. */
  readonly exclude?: readonly string[];
  /** Report only. */
  readonly dryRun?: boolean;
}

export interface GarbageReport {
  /** References removed. */
  readonly references: readonly string[];
  readonly blobs: number;
  readonly layers: number;
  /** Bytes of the removed blobs and layer trees. */
  readonly bytes: number;
}

/** A blob or unpacked layer that is not what its name says. What is damaged is removed, so that the next pull fetches it. */
export interface StoreFault {
  readonly kind: 'blob' | 'layer' | 'reference';
  /** The blob's digest, the layer's chain id, or the reference. */
  readonly name: string;
  readonly reason: string;
}

export interface PullPolicy {
  readonly platform?: Platform;
  /** Used for the pull and never written to disk. */
  readonly credentials?: Credentials;
  readonly force?: boolean;
  /** See {@link PullOptions}. */
  readonly checkAccess?: boolean;
}

/** Images on this machine. Any number of calls may run at once; one image is pulled and unpacked once. */
export interface ImageStore {
  /** Folder of the OCI image layout. */
  readonly layoutPath: string;
  /** The image if the store has its manifest, config and every layer blob; else undefined. */
  get(reference: string, options?: { readonly platform?: Platform }): Promise<Image | undefined>;
  /** Returns the image, pulling what is missing. */
  pull(reference: string, options?: PullOptions): Promise<PulledImage>;
  /**
   * Makes every layer of a pulled image present unpacked. Needs Linux and root. `NOT_FOUND` if a blob that it takes was
   * collected since. Without a lease the layers stay for a minute after it resolves.
   */
  unpack(image: Image, options?: CallOptions): Promise<UnpackedImage>;
  /** Every image that has a reference. */
  list(): AsyncIterable<Image>;
  /** Streams a blob, verified; `NOT_FOUND` if absent. */
  readBlob(digest: Digest): AsyncIterable<Uint8Array>;
  /** Brings an image from a file or folder into the store, under a reference. */
  import(source: ImageSource, options?: ImportOptions): Promise<PulledImage>;
  /** Streams an image of the store as one tar archive. `NOT_FOUND` if it is absent. */
  export(reference: string, options: ExportOptions): AsyncIterable<Uint8Array>;
  /**
   * Lets another reference stand for the same image, on every platform that was pulled. `NOT_FOUND` if there is none;
   * `INVALID_ARGUMENT` if the new reference has another digest.
   */
  tag(reference: string, as: string): Promise<void>;
  /** Forgets a reference; what it held goes at the next garbage collection. False if there was none. */
  remove(reference: string): Promise<boolean>;
  /**
   * Takes, or replaces, the lease of this id. Durable when it resolves. `NOT_FOUND` if one of the images is not whole: it
   * was collected since its pull, so pull it again. `INVALID_ARGUMENT` (field `id`) for an id outside the grammar.
   */
  lease(id: string, images: readonly Image[]): Promise<void>;
  /** Releases a lease, whoever took it; false if there was none. */
  release(id: string): Promise<boolean>;
  /** All leases, in order of their ids. */
  leases(): AsyncIterable<LeaseRecord>;
  /**
   * Removes images that nobody leases or pulls, and blobs and layers that belong to no image. Never blocks a pull.
   * `CORRUPT_STATE` if a lease cannot be read; then nothing is removed.
   */
  collectGarbage(options?: GarbageOptions): Promise<GarbageReport>;
  /** Reads everything through, removes what is damaged and reports it. Layers that are leased or in use are only reported. */
  verify(options?: CallOptions): AsyncIterable<StoreFault>;
}
