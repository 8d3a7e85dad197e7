import { createHash } from 'node:crypto';
import { assembleImage, formatReference, hostPlatform, maxDocumentBytes } from '@gantry/image-spec';
import {
  type Credentials,
  type Descriptor,
  GantryError,
  type Image,
  type ImageReference,
  type Platform,
  type RegistryCallOptions,
  type RegistryClient,
} from '@gantry/interface';
import { type BlobStore, verifyBytes } from './blob-store.js';
import { eachLimited } from './each-limited.js';
import { type FoundManifest, findManifest, requirePlatform } from './manifest-walk.js';
import { SharedTasks, type TaskContext } from './shared-tasks.js';

export interface PullRequest {
  readonly reference: ImageReference;
  readonly platform: Platform | undefined;
  readonly credentials: Credentials | undefined;
}

/** An image whose blobs are all in the store, and what its reference stands for. */
export interface FetchedImage {
  readonly image: Image;
  readonly top: Descriptor;
}

interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Brings the blobs of images from registries into the store. */
export class Puller {
  readonly #registry: RegistryClient;
  readonly #blobs: BlobStore;
  readonly #maxDownloads: number;
  readonly #downloads = new SharedTasks<void>();

  constructor(registry: RegistryClient, blobs: BlobStore, maxDownloads: number) {
    this.#registry = registry;
    this.#blobs = blobs;
    this.#maxDownloads = maxDownloads;
  }

  /** Fetches what is missing of an image. When it resolves, everything is on disk. */
  async fetch(request: PullRequest, context: TaskContext): Promise<FetchedImage> {
    const name = formatReference(request.reference);
    context.onProgress({ type: 'resolving', reference: name });
    const documents: Document[] = [];
    const top = await this.#resolve(request, context);
    const found = await findManifest(top.descriptor, request.platform ?? hostPlatform(), async (descriptor) => {
      const bytes = descriptor === top.descriptor ? top.bytes : await this.#loadManifest(request, descriptor, context);
      documents.push({ descriptor, bytes });
      return bytes;
    });
    if (!found) throw missing(top.descriptor);
    const { config, layers } = found.manifest;
    context.onProgress({ type: 'resolved', reference: name, digest: found.descriptor.digest, layers });

    let image: Image | undefined;
    // The config goes first: what is no image, or none for the platform, is found out before its layers have come.
    const jobs: ((signal: AbortSignal) => Promise<void>)[] = [
      async (signal) => {
        await this.#fetchBlob(request, config, { ...context, signal }, (blob) => this.#hasDocument(blob));
        image = await this.#assemble(request, name, found);
      },
      ...distinct(layers).map((layer) => async (signal: AbortSignal) => {
        await this.#fetchBlob(request, layer, { ...context, signal }, (blob) => this.#blobs.has(blob));
      }),
      ...documents.map(({ descriptor, bytes }) => async (signal: AbortSignal) => {
        if (!(await this.#hasDocument(descriptor))) await this.#blobs.write(descriptor, [bytes], { signal });
      }),
    ];
    const everything = [config, ...layers, ...documents.map((document) => document.descriptor)];
    await this.#blobs.prepare(everything);
    await eachLimited(jobs, this.#maxDownloads, `pull of ${name}`, context.signal, (job, signal) => job(signal));
    if (!image) throw missing(config);
    // Also what was there before: its name may be another process's, and not on disk yet.
    await this.#blobs.sync(everything);
    return { image, top: top.descriptor };
  }

  async #resolve(request: PullRequest, context: TaskContext): Promise<Document> {
    const { reference } = request;
    const { descriptor, bytes } = await this.#registry.getManifest(reference, callOptions(request, context));
    const { mediaType, size } = descriptor;
    const expected = { mediaType, size, digest: reference.digest ?? descriptor.digest };
    requireDocumentSize(expected);
    verifyBytes(expected, bytes);
    return { descriptor: expected, bytes };
  }

  async #loadManifest(request: PullRequest, descriptor: Descriptor, context: TaskContext): Promise<Uint8Array> {
    requireDocumentSize(descriptor);
    const present = await this.#blobs.readDocument(descriptor);
    if (present) return present;
    const { registry, repository } = request.reference;
    const reference = { registry, repository, digest: descriptor.digest };
    const { bytes } = await this.#registry.getManifest(reference, callOptions(request, context));
    verifyBytes(descriptor, bytes);
    return bytes;
  }

  /** One download of a blob of a repository, however many images want it at this moment. */
  #fetchBlob(
    request: PullRequest,
    blob: Descriptor,
    context: TaskContext,
    isPresent: (blob: Descriptor) => Promise<boolean>,
  ): Promise<void> {
    const { registry, repository } = request.reference;
    // Without `urls`: content comes from the registry that was asked, never from where a manifest points.
    const { mediaType, digest, size } = blob;
    const key = JSON.stringify([registry, repository, digest, size, credentialsKey(request.credentials)]);
    return this.#downloads.join(key, `blob ${digest}`, context, async (download) => {
      const cached = await isPresent(blob);
      if (!cached) {
        const content = this.#registry.getBlob(
          request.reference,
          { mediaType, digest, size },
          callOptions(request, download),
        );
        const onBytes = (current: number) => download.onProgress({ type: 'fetching', digest, current, total: size });
        await this.#blobs.write(blob, content, { signal: download.signal, onBytes });
      }
      download.onProgress({ type: 'fetched', digest, total: size, cached });
    });
  }

  async #assemble(request: PullRequest, reference: string, found: FoundManifest): Promise<Image> {
    const { descriptor, manifest: parsed, indexes } = found;
    const configBytes = await this.#blobs.readDocument(parsed.config);
    if (!configBytes) throw missing(parsed.config);
    const image = assembleImage({ reference, manifest: descriptor, parsed, configBytes });
    if (request.platform && indexes.length === 0) requirePlatform(image, request.platform);
    return image;
  }

  async #hasDocument(descriptor: Descriptor): Promise<boolean> {
    requireDocumentSize(descriptor);
    return (await this.#blobs.readDocument(descriptor)) !== undefined;
  }
}

/** Stands for credentials in the key of a shared task, so that a pull never rides on another caller's login. */
export function credentialsKey(credentials: Credentials | undefined): string {
  if (!credentials) return '';
  const { username, password, identityToken } = credentials;
  return createHash('sha256')
    .update(JSON.stringify([username, password, identityToken]))
    .digest('base64');
}

/** Of the client's own progress only the retries pass: the store counts the bytes that it has accepted. */
function callOptions({ credentials }: PullRequest, { signal, onProgress }: TaskContext): RegistryCallOptions {
  return {
    signal,
    onProgress: (event) => {
      if (event.type === 'retrying') onProgress(event);
    },
    ...(credentials && { credentials }),
  };
}

function distinct(layers: readonly Descriptor[]): Descriptor[] {
  return [...new Map(layers.map((layer) => [`${layer.digest} ${layer.size}`, layer])).values()];
}

function requireDocumentSize({ digest, size }: Descriptor): void {
  if (size <= maxDocumentBytes) return;
  throw new GantryError('LIMIT_EXCEEDED', `document ${digest}: ${size} bytes, more than ${maxDocumentBytes}`, {
    details: { digest, size, limit: maxDocumentBytes },
  });
}

function missing({ digest }: Descriptor): GantryError {
  return new GantryError('CORRUPT_STATE', `blob ${digest} was damaged or removed during its pull: pull again`, {
    details: { digest },
  });
}
