import type { Digest, Image, Platform } from './image.js';
import type { CallOptions } from './options.js';
import type { Credentials } from './registry.js';

export interface PullOptions extends CallOptions {
  /** Defaults to the host's. */
  readonly platform?: Platform;
  readonly credentials?: Credentials;
  /** Ask the registry even if the reference is in the store. */
  readonly force?: boolean;
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

/** Images on this machine. Any number of calls may run at once; one image is pulled and unpacked once. */
export interface ImageStore {
  /** Folder of the OCI image layout. */
  readonly layoutPath: string;
  /** The image if the store has its manifest, config and every layer blob; else undefined. */
  get(reference: string, options?: { readonly platform?: Platform }): Promise<Image | undefined>;
  /** Returns the image, pulling what is missing. */
  pull(reference: string, options?: PullOptions): Promise<PulledImage>;
  /** Makes every layer of a pulled image present unpacked. Needs Linux and root. */
  unpack(image: Image, options?: CallOptions): Promise<UnpackedImage>;
  /** Every image that has a reference. */
  list(): AsyncIterable<Image>;
  /** Streams a blob, verified; `NOT_FOUND` if absent. */
  readBlob(digest: Digest): AsyncIterable<Uint8Array>;
}
