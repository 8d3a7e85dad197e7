import type { Descriptor, Digest, ImageReference } from './image.js';
import type { CallOptions } from './options.js';

/** A login for one registry. Of several secrets the registry token goes first, then the identity token, then the password. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** An OAuth2 refresh token: the token service gives bearer tokens for it. */
  readonly identityToken?: string;
  /** A bearer token that the registry takes as it is. */
  readonly registryToken?: string;
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

export interface ManifestOptions extends RegistryCallOptions {
  /**
   * Ask the registry itself and none of its mirrors, which have logins of their own: its answer is the one to whether this
   * call's login may have the manifest. Default false.
   */
  readonly origin?: boolean;
}

export interface BlobOptions extends RegistryCallOptions {
  /**
   * False for a caller who verifies the digest himself, so that it is not computed twice; the size is verified in any case.
   * Default true.
   */
  readonly verify?: boolean;
}

/** The bytes of a blob; every iteration is a download of its own. */
export interface BlobStream extends AsyncIterable<Uint8Array> {
  /**
   * The same bytes in chunks whose memory is only lent: it is written over once the next chunk is asked for. For a
   * consumer that is done with each chunk by then, e.g. has written it to a file: it spares the garbage collector the
   * whole blob.
   */
  lent?(): AsyncIterable<Uint8Array>;
}

/**
 * What pulling and pushing an image takes of the OCI distribution protocol. Every method fails with `UNREACHABLE`,
 * `UNAUTHORIZED`, `NOT_FOUND`, `REGISTRY_ERROR`, `TIMEOUT` or `ABORTED`.
 */
export interface RegistryClient {
  /** Checks that the registry answers `GET /v2/` and that the login, if any, is taken. */
  ping(registry: string, options?: RegistryCallOptions): Promise<void>;
  /** Fetches a manifest or index by tag or digest; of two, the digest wins. At most 4 MiB; the digest asked for is verified. */
  getManifest(reference: ImageReference, options?: ManifestOptions): Promise<FetchedManifest>;
  /**
   * Streams a blob. The chunks add up to exactly `descriptor.size` bytes of digest `descriptor.digest`, else the iteration
   * throws `SIZE_MISMATCH` or `DIGEST_MISMATCH` at its end: nothing may be used before it ends well.
   */
  getBlob(repository: ImageReference, descriptor: Descriptor, options?: BlobOptions): BlobStream;
  /** True if the repository holds the blob. */
  hasBlob(repository: ImageReference, digest: Digest, options?: RegistryCallOptions): Promise<boolean>;
  /**
   * How many bytes a blob has, for documents that do not tell; undefined if the repository does not hold it.
   * `REGISTRY_ERROR` from a registry that does not tell either.
   */
  blobSize(repository: ImageReference, digest: Digest, options?: RegistryCallOptions): Promise<number | undefined>;
  /** Uploads a blob of known digest and size; does nothing if it is there. Content that is not the descriptor's is never completed. */
  putBlob(
    repository: ImageReference,
    descriptor: Descriptor,
    content: AsyncIterable<Uint8Array> | Uint8Array,
    options?: RegistryCallOptions,
  ): Promise<void>;
  /** Uploads a manifest or index under the reference's tag, or its digest. Resolves with the digest. */
  putManifest(reference: ImageReference, manifest: FetchedManifest, options?: RegistryCallOptions): Promise<Digest>;
}

export interface ListOptions extends RegistryCallOptions {
  /** How many names to ask for at once, 1 to 10 000; the registry may give fewer. Default 1000. */
  readonly pageSize?: number;
}

export interface ReferrersOptions extends RegistryCallOptions {
  /** Only referrers of this type. */
  readonly artifactType?: string;
}

/** The rest of the OCI distribution protocol: looking around and tidying up. Fails as {@link RegistryClient} does. */
export interface DistributionClient extends RegistryClient {
  /**
   * What a reference stands for now, without fetching it where the registry answers HEAD. The digest is the registry's
   * word until a manifest is fetched by it.
   */
  resolve(reference: ImageReference, options?: RegistryCallOptions): Promise<Descriptor>;
  /** The tags of a repository, in the registry's order. */
  listTags(repository: ImageReference, options?: ListOptions): AsyncIterable<string>;
  /** The repositories of a registry, if it tells. */
  listRepositories(registry: string, options?: ListOptions): AsyncIterable<string>;
  /** The manifests whose `subject` is the one with the reference's digest. Image-spec 1.1; also where the registry has no API for it. */
  referrers(reference: ImageReference, options?: ReferrersOptions): AsyncIterable<Descriptor>;
  /** Lets a repository hold a blob that another repository of the same registry holds. False if the registry would rather have it uploaded. */
  mountBlob(
    repository: ImageReference,
    digest: Digest,
    from: ImageReference,
    options?: RegistryCallOptions,
  ): Promise<boolean>;
  /** Deletes a manifest by the reference's digest, or else only its tag. `UNSUPPORTED` where the registry does not allow it. */
  deleteManifest(reference: ImageReference, options?: RegistryCallOptions): Promise<void>;
}
