import type { Descriptor, Digest, ImageReference } from './image.js';
import type { CallOptions } from './options.js';

/** A login for one registry. `identityToken` is an OAuth2 refresh token and wins over the password. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
}

/** A manifest or index as the registry sent it, its digest verified. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface RegistryCallOptions extends CallOptions {
  /** For this call only; else what the client was made with. */
  readonly credentials?: Credentials;
}

/** A client of the OCI distribution protocol. Every method fails with `UNREACHABLE`, `UNAUTHORIZED`, `NOT_FOUND`, `REGISTRY_ERROR`, `TIMEOUT` or `ABORTED`. */
export interface RegistryClient {
  /** Checks that the registry answers `GET /v2/` and that the login, if any, is taken. */
  ping(registry: string, options?: RegistryCallOptions): Promise<void>;
  /** Fetches a manifest or index by tag or digest; of two, the digest wins. At most 4 MiB; the digest asked for is verified. */
  getManifest(reference: ImageReference, options?: RegistryCallOptions): Promise<FetchedManifest>;
  /**
   * Streams a blob. The chunks add up to exactly `descriptor.size` bytes of digest `descriptor.digest`, else the iteration
   * throws `SIZE_MISMATCH` or `DIGEST_MISMATCH` at its end: nothing may be used before it ends well.
   */
  getBlob(repository: ImageReference, descriptor: Descriptor, options?: RegistryCallOptions): AsyncIterable<Uint8Array>;
  /** True if the repository holds the blob. */
  hasBlob(repository: ImageReference, digest: Digest, options?: RegistryCallOptions): Promise<boolean>;
  /** Uploads a blob of known digest and size in one request; does nothing if it is there. */
  putBlob(
    repository: ImageReference,
    descriptor: Descriptor,
    content: AsyncIterable<Uint8Array> | Uint8Array,
    options?: RegistryCallOptions,
  ): Promise<void>;
  /** Uploads a manifest or index under the reference's tag, or its digest. Resolves with the digest. */
  putManifest(reference: ImageReference, manifest: FetchedManifest, options?: RegistryCallOptions): Promise<Digest>;
}
