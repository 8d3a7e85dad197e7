import { formatReference, parseDigest, parseReference, parseRegistry } from '@gantry/image-spec';
import {
  type Credentials,
  type Descriptor,
  type Digest,
  type FetchedManifest,
  GantryError,
  type ImageReference,
  isGantryError,
  type RegistryCallOptions,
  type RegistryClient,
  raceAbort,
  toGantryError,
} from '@gantry/interface';
import { Call } from './call.js';
import { Download } from './download.js';
import { Fault } from './fault.js';
import { fetchManifest, pushManifest } from './manifests.js';
import { type RegistryClientOptions, resolveOptions, type Settings } from './options.js';
import { ping } from './ping.js';
import { Requester } from './requester.js';
import { pullScope } from './scope.js';
import { hasBlob, uploadBlob } from './upload.js';

/** Makes a client. It keeps connections, tokens and nothing else; `INVALID_ARGUMENT` for options out of range. */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  return new DistributionClient(resolveOptions(options));
}

class DistributionClient implements RegistryClient {
  readonly #settings: Settings;
  readonly #requester: Requester;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#requester = new Requester(settings);
  }

  async ping(registry: string, options: RegistryCallOptions = {}): Promise<void> {
    const name = parseRegistry(registry);
    return this.#run(`ping ${name}`, name, options, (call) => ping(this.#requester, call));
  }

  async getManifest(reference: ImageReference, options: RegistryCallOptions = {}): Promise<FetchedManifest> {
    const checked = checkReference(reference);
    return this.#run(`manifest ${formatReference(checked)}`, checked.registry, options, (call) =>
      fetchManifest(this.#requester, call, checked),
    );
  }

  async *getBlob(
    repository: ImageReference,
    descriptor: Descriptor,
    options: RegistryCallOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const { call, target } = await this.#openBlob(repository, descriptor, options);
    try {
      const request = { target, scope: pullScope(repository) };
      yield* new Download(this.#requester, call, request, descriptor).chunks();
    } catch (error) {
      throw publicError(error, call.what);
    } finally {
      call.end();
    }
  }

  async hasBlob(repository: ImageReference, digest: Digest, options: RegistryCallOptions = {}): Promise<boolean> {
    const checked = checkReference(repository);
    return this.#run(blobName(checked, parseDigest(digest)), checked.registry, options, (call) =>
      hasBlob(this.#requester, call, checked, digest),
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
    return this.#run(`upload of ${blobName(checked, descriptor.digest)}`, checked.registry, options, (call) =>
      uploadBlob(this.#requester, call, checked, descriptor, content),
    );
  }

  async putManifest(
    reference: ImageReference,
    manifest: FetchedManifest,
    options: RegistryCallOptions = {},
  ): Promise<Digest> {
    const checked = checkReference(reference);
    checkDescriptor(manifest.descriptor);
    return this.#run(`upload of manifest ${formatReference(checked)}`, checked.registry, options, (call) =>
      pushManifest(this.#requester, call, checked, manifest),
    );
  }

  async #openBlob(repository: ImageReference, descriptor: Descriptor, options: RegistryCallOptions) {
    const checked = checkReference(repository);
    checkDescriptor(descriptor);
    const call = await this.#begin(blobName(checked, descriptor.digest), checked.registry, options);
    return { call, target: `${checked.repository}/blobs/${descriptor.digest}` };
  }

  async #run<T>(
    what: string,
    registry: string,
    options: RegistryCallOptions,
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    const call = await this.#begin(what, registry, options);
    try {
      call.throwIfEnded();
      return await work(call);
    } catch (error) {
      throw publicError(error, what);
    } finally {
      call.end();
    }
  }

  async #begin(what: string, registry: string, options: RegistryCallOptions): Promise<Call> {
    let credentials: Credentials | undefined;
    try {
      credentials =
        options.credentials ?? (await raceAbort(this.#settings.credentialsFor(registry), options.signal, what));
    } catch (cause) {
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
  const invalid = (field: string, reason: string) =>
    new GantryError('INVALID_ARGUMENT', `descriptor ${digest}: ${field}: ${reason}`, { details: { field } });
  if (!Number.isSafeInteger(size) || size < 0) throw invalid('size', 'want a whole number, zero or more');
  if (!/^[\x21-\x7e]{1,255}$/.test(mediaType)) throw invalid('mediaType', 'want 1 to 255 visible ASCII characters');
}

function publicError(error: unknown, what: string): GantryError {
  return error instanceof Fault ? error.error : toGantryError(error, what);
}
