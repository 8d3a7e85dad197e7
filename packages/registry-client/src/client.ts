import { formatReference, parseDigest, parseReference, parseRegistry } from '@gantry/image-spec';
import {
  abortedError,
  type BlobOptions,
  type BlobStream,
  type Credentials,
  type Descriptor,
  type Digest,
  type DistributionClient,
  type FetchedManifest,
  GantryError,
  type ImageReference,
  isGantryError,
  type ListOptions,
  type ManifestOptions,
  type ReferrersOptions,
  type RegistryCallOptions,
  raceAbort,
} from '@gantry/interface';
import { blobExists, blobSize } from './blob-head.js';
import { Call } from './call.js';
import { deleteManifest } from './deletion.js';
import { Download } from './download.js';
import { publicError } from './fault.js';
import { repositoriesOf, tagsOf } from './lists.js';
import { fetchManifest } from './manifests.js';
import { Mirrors } from './mirrors.js';
import { mountBlob } from './mount.js';
import type { RegistryClientOptions } from './options.js';
import { ping } from './ping.js';
import { pushManifest } from './push-manifest.js';
import { referrersOf } from './referrers.js';
import { Requester } from './requester.js';
import { resolveReference } from './resolve.js';
import { pullScope } from './scope.js';
import { resolveOptions, type Settings } from './settings.js';
import { uploadBlob } from './upload.js';

/** Makes a client. It keeps connections, tokens and nothing else; `INVALID_ARGUMENT` for options out of range. */
export function createRegistryClient(options: RegistryClientOptions = {}): DistributionClient {
  return new HttpClient(resolveOptions(options));
}

/** What a call is about: the registry, or something in a repository of it. */
type Subject = Pick<ImageReference, 'registry'> & Partial<ImageReference>;

class HttpClient implements DistributionClient {
  readonly #settings: Settings;
  readonly #requester: Requester;
  readonly #mirrors: Mirrors;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#requester = new Requester(settings);
    this.#mirrors = new Mirrors(settings);
  }

  async ping(registry: string, options: RegistryCallOptions = {}): Promise<void> {
    const name = parseRegistry(registry);
    return this.#run(`ping ${name}`, { registry: name }, options, (call) => ping(this.#requester, call));
  }

  async getManifest(reference: ImageReference, options: ManifestOptions = {}): Promise<FetchedManifest> {
    const checked = checkReference(reference);
    return this.#run(`manifest ${formatReference(checked)}`, checked, options, (call) =>
      options.origin
        ? fetchManifest(this.#requester, call, checked)
        : this.#mirrors.tryEach(call, checked, (source) =>
            fetchManifest(this.#requester, source.call, source.reference),
          ),
    );
  }

  async resolve(reference: ImageReference, options: RegistryCallOptions = {}): Promise<Descriptor> {
    const checked = checkReference(reference);
    return this.#run(`manifest ${formatReference(checked)}`, checked, options, (call) =>
      this.#mirrors.tryEach(call, checked, (source) =>
        resolveReference(this.#requester, source.call, source.reference),
      ),
    );
  }

  getBlob(repository: ImageReference, descriptor: Descriptor, options: BlobOptions = {}): BlobStream {
    const download = (lend: boolean) => this.#download(repository, descriptor, options, lend);
    return { lent: () => download(true), [Symbol.asyncIterator]: () => download(false) };
  }

  async hasBlob(repository: ImageReference, digest: Digest, options: RegistryCallOptions = {}): Promise<boolean> {
    const checked = checkReference(repository);
    return this.#run(blobName(checked, parseDigest(digest)), checked, options, (call) =>
      blobExists(this.#requester, call, checked, digest, pullScope(checked)),
    );
  }

  async blobSize(
    repository: ImageReference,
    digest: Digest,
    options: RegistryCallOptions = {},
  ): Promise<number | undefined> {
    const checked = checkReference(repository);
    return this.#run(blobName(checked, parseDigest(digest)), checked, options, (call) =>
      blobSize(this.#requester, call, checked, digest),
    );
  }

  async putBlob(
    repository: ImageReference,
    descriptor: Descriptor,
    content: AsyncIterable<Uint8Array> | Uint8Array,
    options: RegistryCallOptions = {},
  ): Promise<void> {
    const checked = checkReference(repository);
    checkDescriptor(descriptor);
    return this.#run(`upload of ${blobName(checked, descriptor.digest)}`, checked, options, (call) =>
      uploadBlob(this.#requester, call, checked, descriptor, content),
    );
  }

  async mountBlob(
    repository: ImageReference,
    digest: Digest,
    from: ImageReference,
    options: RegistryCallOptions = {},
  ): Promise<boolean> {
    const checked = checkReference(repository);
    const source = checkReference(from);
    if (source.registry !== checked.registry) throw invalid('from', 'want a repository of the same registry');
    return this.#run(`mount of ${blobName(checked, parseDigest(digest))}`, checked, options, (call) =>
      mountBlob(this.#requester, call, checked, digest, source),
    );
  }

  async putManifest(
    reference: ImageReference,
    manifest: FetchedManifest,
    options: RegistryCallOptions = {},
  ): Promise<Digest> {
    const checked = checkReference(reference);
    checkDescriptor(manifest.descriptor);
    return this.#run(`upload of manifest ${formatReference(checked)}`, checked, options, (call) =>
      pushManifest(this.#requester, call, checked, manifest),
    );
  }

  async deleteManifest(reference: ImageReference, options: RegistryCallOptions = {}): Promise<void> {
    const checked = checkReference(reference);
    return this.#run(`deletion of ${formatReference(checked)}`, checked, options, (call) =>
      deleteManifest(this.#requester, call, checked),
    );
  }

  async *listTags(repository: ImageReference, options: ListOptions = {}): AsyncGenerator<string> {
    const checked = checkReference(repository);
    const size = checkPageSize(options);
    yield* this.#stream(`tags of ${checked.registry}/${checked.repository}`, checked, options, (call) =>
      tagsOf(this.#requester, call, checked, size),
    );
  }

  async *listRepositories(registry: string, options: ListOptions = {}): AsyncGenerator<string> {
    const name = parseRegistry(registry);
    const size = checkPageSize(options);
    yield* this.#stream(`repositories of ${name}`, { registry: name }, options, (call) =>
      repositoriesOf(this.#requester, call, size),
    );
  }

  async *referrers(reference: ImageReference, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    const checked = checkReference(reference);
    yield* this.#stream(`referrers of ${formatReference(checked)}`, checked, options, (call) =>
      referrersOf(this.#requester, call, checked, options.artifactType),
    );
  }

  async *#download(
    repository: ImageReference,
    blob: Descriptor,
    { verify = true, ...options }: BlobOptions,
    lend: boolean,
  ): AsyncGenerator<Uint8Array> {
    const reference = checkReference(repository);
    checkDescriptor(blob);
    const parts = { requester: this.#requester, mirrors: this.#mirrors, reference, blob, lend, verify };
    yield* this.#stream(blobName(reference, blob.digest), reference, options, (call) =>
      new Download({ ...parts, call }).chunks(),
    );
  }

  async #run<T>(
    what: string,
    subject: Subject,
    options: RegistryCallOptions,
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    const call = await this.#begin(what, subject, options);
    try {
      call.throwIfEnded();
      return await work(call);
    } catch (error) {
      throw publicError(error, what);
    } finally {
      call.end();
    }
  }

  async *#stream<T>(
    what: string,
    subject: Subject,
    options: RegistryCallOptions,
    work: (call: Call) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const call = await this.#begin(what, subject, options);
    try {
      yield* work(call);
    } catch (error) {
      throw publicError(error, what);
    } finally {
      call.end();
    }
  }

  async #begin(what: string, { registry, repository }: Subject, options: RegistryCallOptions): Promise<Call> {
    const { signal } = options;
    let credentials: Credentials | undefined;
    try {
      const request = { ...(repository !== undefined && { repository }), ...(signal && { signal }) };
      credentials =
        options.credentials ?? (await raceAbort(this.#settings.credentialsFor(registry, request), signal, what));
    } catch (cause) {
      if (signal?.aborted) throw abortedError(signal, what);
      if (isGantryError(cause)) throw cause;
      throw new GantryError('UNAUTHORIZED', `${what}: the credentials for ${registry} could not be looked up`, {
        cause,
        details: { registry },
      });
    }
    return new Call(what, registry, options, credentials, this.#settings.timeouts.totalMs);
  }
}

function blobName(repository: ImageReference, digest: Digest): string {
  return `blob ${repository.registry}/${repository.repository}@${digest}`;
}

/** Anybody can write an object of this shape; what goes into a URL has passed the grammar. */
function checkReference(reference: ImageReference): ImageReference {
  return parseReference(formatReference(reference));
}

function checkDescriptor({ digest, size, mediaType }: Descriptor): void {
  parseDigest(digest);
  if (!Number.isSafeInteger(size) || size < 0) throw invalid('size', 'want a whole number, zero or more', digest);
  if (/^[\x21-\x7e]{1,255}$/.test(mediaType)) return;
  throw invalid('mediaType', 'want 1 to 255 visible ASCII characters', digest);
}

function checkPageSize({ pageSize = 1000 }: ListOptions): number {
  if (Number.isInteger(pageSize) && pageSize >= 1 && pageSize <= 10_000) return pageSize;
  throw invalid('pageSize', 'want 1 to 10000');
}

function invalid(field: string, reason: string, digest?: string): GantryError {
  const subject = digest === undefined ? '' : `descriptor ${digest}: `;
  return new GantryError('INVALID_ARGUMENT', `${subject}${field}: ${reason}`, { details: { field } });
}
