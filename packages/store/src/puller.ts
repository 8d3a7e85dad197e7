import { createHash } from 'node:crypto';
import { prepareToApply } from '@gantry/archive';
import { assembleImage, formatReference, hostPlatform, isSchema1Type, maxDocumentBytes } from '@gantry/image-spec';
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
import type { BlobGrowth } from './blob-growth.js';
import { type BlobStore, verifyBytes } from './blob-store.js';
import { eachLimited } from './each-limited.js';
import { EagerUnpack } from './eager-unpack.js';
import type { StoreFolders } from './folders.js';
import { HeldBlobStore } from './garbage/held-blob-store.js';
import type { Hold } from './garbage/holds.js';
import type { LayerStore } from './layer-store.js';
import { type FoundManifest, findManifest, requirePlatform } from './manifest-walk.js';
import { schema1Image } from './schema1-image.js';
import { SharedTasks, type TaskContext } from './shared-tasks.js';

export interface PullRequest {
  readonly reference: ImageReference;
  readonly platform: Platform | undefined;
  readonly credentials: Credentials | undefined;
  /** Whether the registry itself has to say that this login may pull it. */
  readonly checkAccess: boolean;
}

/** An image whose blobs are all in the store, and what its reference stands for. */
export interface FetchedImage {
  readonly image: Image;
  readonly top: Descriptor;
}

interface Resolution {
  readonly found: FoundManifest;
  readonly top: Descriptor;
  readonly documents: readonly Document[];
}

interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Brings the blobs of images from registries into the store. */
export class Puller {
  readonly #registry: RegistryClient;
  readonly #folders: StoreFolders;
  readonly #blobs: BlobStore;
  readonly #maxDownloads: number;
  readonly #downloads = new SharedTasks<void>();

  constructor(registry: RegistryClient, folders: StoreFolders, blobs: BlobStore, maxDownloads: number) {
    this.#registry = registry;
    this.#folders = folders;
    this.#blobs = blobs;
    this.#maxDownloads = maxDownloads;
  }

  /**
   * Fetches what is missing of an image, under a hold that the pull's reference is covered by; with `layers`, unpacks it too.
   * When it resolves, all blobs are on disk.
   */
  async fetch(
    request: PullRequest,
    hold: Hold,
    layers: LayerStore | undefined,
    context: TaskContext,
  ): Promise<FetchedImage> {
    const name = formatReference(request.reference);
    const what = `pull of ${name}`;
    // How many layers there are will be known when threads would have been started long since; two can be used as a rule.
    if (layers) await prepareToApply(2);
    context.onProgress({ type: 'resolving', reference: name });
    const { found, top, documents } = await this.#resolve(request, hold, context);
    const { config, layers: blobs } = found.manifest;
    context.onProgress({ type: 'resolved', reference: name, digest: found.descriptor.digest, layers: blobs });

    const everything = [config, ...blobs, ...documents.map((document) => document.descriptor)];
    await hold.cover({ blobs: everything.map((blob) => blob.digest) });
    await this.#blobs.prepare(everything);
    const failed = new AbortController();
    const stop = AbortSignal.any([context.signal, failed.signal]);
    const configured = withResolvers<Image>();
    const eager = layers && new EagerUnpack(layers, configured.promise, { ...context, signal: stop });
    // The config goes first: what is no image, or none for the platform, is found out before its layers have come.
    const jobs: ((signal: AbortSignal) => Promise<void>)[] = [
      async (signal) => {
        await this.#fetchBlob(request, config, { ...context, signal }, (blob) => this.#hasDocument(blob));
        const image = await this.#assemble(request, name, found);
        await hold.cover({ layers: image.layers.map((layer) => layer.chainId) });
        configured.resolve(image);
      },
      // The largest says when all are there, so it is also the first to be unpacked while it comes.
      ...largestFirst(distinct(blobs)).map((layer) => async (signal: AbortSignal) => {
        const download = (growth?: BlobGrowth) =>
          this.#fetchBlob(request, layer, { ...context, signal }, (blob) => this.#blobs.has(blob), growth);
        await (eager ? eager.during(layer, download) : download());
      }),
      ...documents.map(({ descriptor, bytes }) => async (signal: AbortSignal) => {
        if (!(await this.#hasDocument(descriptor))) await this.#blobs.write(descriptor, [bytes], { signal });
      }),
    ];
    try {
      await eachLimited(jobs, this.#maxDownloads, what, context.signal, (job, signal) => job(signal));
      // Also what was there before: its name may be another process's, and not on disk yet.
      await this.#blobs.sync(everything);
    } catch (error) {
      failed.abort(error);
      configured.reject(error);
      throw error;
    } finally {
      await eager?.settle();
    }
    const image = await configured.promise;
    await layers?.complete(image.layers, what, context);
    return { image, top };
  }

  /** From the reference to the platform's manifest, with all documents on the way. */
  async #resolve(request: PullRequest, hold: Hold, context: TaskContext): Promise<Resolution> {
    const documents: Document[] = [];
    const given = await this.#loadTop(request, context);
    const isSchema1 = isSchema1Type(given.descriptor.mediaType);
    const top = isSchema1 ? await this.#convert(request, given, hold, context) : given;
    const found = await findManifest(top.descriptor, request.platform ?? hostPlatform(), async (descriptor) => {
      const bytes = descriptor === top.descriptor ? top.bytes : await this.#loadManifest(request, descriptor, context);
      documents.push({ descriptor, bytes });
      return bytes;
    });
    if (!found) throw missing(top.descriptor);
    return { found, top: top.descriptor, documents };
  }

  /** What a schema 1 manifest stands for, in a form that everything else understands. */
  #convert(request: PullRequest, given: Document, hold: Hold, context: TaskContext): Promise<Document> {
    const blobs = new HeldBlobStore(this.#folders, hold);
    const what = `pull of ${formatReference(request.reference)}`;
    return schema1Image(given, {
      blobs,
      signal: context.signal,
      sizeOf: (digest) => this.#registry.blobSize(request.reference, digest, callOptions(request, context)),
      fetch: async (layers) => {
        await blobs.prepare(layers);
        await eachLimited(distinct(layers), this.#maxDownloads, what, context.signal, (layer, signal) =>
          this.#fetchBlob(request, layer, { ...context, signal }, (blob) => blobs.has(blob)),
        );
      },
    });
  }

  /** Asks the registry whether this login may pull the reference. */
  async checkAccess(request: PullRequest, context: TaskContext): Promise<void> {
    await this.#registry.getManifest(request.reference, { ...callOptions(request, context), origin: true });
  }

  async #loadTop(request: PullRequest, context: TaskContext): Promise<Document> {
    const { reference } = request;
    const options = { ...callOptions(request, context), origin: request.checkAccess };
    const { descriptor, bytes } = await this.#registry.getManifest(reference, options);
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
    observer?: BlobGrowth,
  ): Promise<void> {
    const { registry, repository } = request.reference;
    // Without `urls`: content comes from the registry that was asked, never from where a manifest points.
    const { mediaType, digest, size } = blob;
    const key = JSON.stringify([registry, repository, digest, size, credentialsKey(request.credentials)]);
    return this.#downloads.join(key, `blob ${digest}`, context, async (download) => {
      const cached = await isPresent(blob);
      if (!cached) {
        const expected = { mediaType, digest, size };
        // The store trusts its own verification only, and one is enough.
        const options = { ...callOptions(request, download), verify: false };
        const content = this.#registry.getBlob(request.reference, expected, options);
        const onBytes = (current: number) => download.onProgress({ type: 'fetching', digest, current, total: size });
        const { signal } = download;
        const isLent = content.lent !== undefined;
        await this.#blobs.write(blob, content.lent?.() ?? content, { signal, onBytes, observer, isLent });
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
  const { username, password, identityToken, registryToken } = credentials;
  return createHash('sha256')
    .update(JSON.stringify([username, password, identityToken, registryToken]))
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

/** A promise and how to settle it; one that nobody waits for may be rejected. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function distinct(layers: readonly Descriptor[]): Descriptor[] {
  return [...new Map(layers.map((layer) => [`${layer.digest} ${layer.size}`, layer])).values()];
}

function largestFirst(layers: readonly Descriptor[]): Descriptor[] {
  return layers.toSorted((a, b) => b.size - a.size);
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
