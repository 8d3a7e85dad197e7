/** `algorithm:hex`, e.g. `sha256:…`; only `sha256` (64 hex digits) and `sha512` (128). OCI image-spec, descriptor.md#digests. */
export type Digest = `${'sha256' | 'sha512'}:${string}`;

/** A parsed and normalised image reference. At least one of `tag` and `digest` is set. */
export interface ImageReference {
  /** `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** `library/redis`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** OCI image-spec, descriptor.md. Sizes are bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

/** OCI image-spec, image-index.md#platform. Names are Go's: `linux`, `amd64`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

/** One layer of an image, lowest first in an image's list. */
export interface ImageLayer {
  /** The blob as it is fetched. */
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed archive. */
  readonly diffId: Digest;
  /** Digest of this layer and all below it. OCI image-spec, config.md#layer-chainid. */
  readonly chainId: Digest;
}

/** How an image wants to run, the same for every image format. */
export interface ImageConfig {
  readonly platform: Platform;
  /** `user`, `uid`, `user:group` or `uid:gid`; empty means root. */
  readonly user: string;
  /** Groups beside the user's own, by number; appc images may ask for them. */
  readonly supplementaryGids?: readonly number[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `NAME=value`, in the image's order. */
  readonly env: readonly string[];
  /** Empty means `/`. */
  readonly workingDir: string;
  /** A name (`SIGTERM`) or a number as text; empty means SIGTERM. */
  readonly stopSignal: string;
  /** `6379/tcp`. */
  readonly exposedPorts: readonly string[];
  /** Absolute paths that the image declares as volumes. */
  readonly volumes: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  /** How its health is found out; absent if it does not say, or says that it is not to be. */
  readonly healthCheck?: ImageHealthCheck;
  readonly created?: string;
}

/**
 * A program to run in the container, which exits with 0 if all is well. Docker's image specification 1.2, `Healthcheck`; OCI's has
 * none. Times are milliseconds; absent means that the image leaves it to the host.
 */
export interface ImageHealthCheck {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  /** Failures this soon after the start do not count. */
  readonly startPeriodMs?: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries?: number;
}

/** An image whose manifest and config are known; its layers may or may not be present. */
export interface Image {
  /** The normalised reference it was asked for by, e.g. `docker.io/library/redis:latest`. */
  readonly reference: string;
  /** Digest of the platform's manifest (not of the index that named it). */
  readonly digest: Digest;
  readonly manifest: Descriptor;
  readonly configDescriptor: Descriptor;
  readonly config: ImageConfig;
  readonly layers: readonly ImageLayer[];
}
