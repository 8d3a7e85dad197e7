import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatReference, parseDigest, parseReference } from '@gantry/image-spec';
import {
  type CallOptions,
  type Digest,
  GantryError,
  type Image,
  type ImageStore,
  type Platform,
  type PulledImage,
  type PullOptions,
  type RegistryClient,
  toGantryError,
  type UnpackedImage,
} from '@gantry/interface';
import { BlobStore } from './blob-store.js';
import { ensureFolder } from './durable.js';
import { type StoreFolders, storeFolders } from './folders.js';
import { ImageCatalog } from './image-catalog.js';
import { LayerStore } from './layer-store.js';
import { LayoutIndex } from './layout-index.js';
import { sweepAbandoned } from './owned-name.js';
import { credentialsKey, Puller, type PullRequest } from './puller.js';
import { ReferenceStore } from './reference-store.js';
import { SharedTasks, type TaskContext } from './shared-tasks.js';

/** What a store is made of. */
export interface ImageStoreOptions {
  /** Folder of the store, absolute or relative to the working folder; made when it is first needed. One file system, below it no mount. */
  readonly root: string;
  readonly registry: RegistryClient;
  /** How many blobs of one image are downloaded at once. Default 4. */
  readonly maxConcurrentDownloads?: number;
}

const defaultDownloads = 4;

/**
 * Makes an image store on a folder. Any number of stores, in any number of processes of one machine, may use the same
 * folder at once. Nothing is touched before the first pull. `INVALID_ARGUMENT` for a limit that is no positive integer.
 */
export function createImageStore(options: ImageStoreOptions): ImageStore {
  return new FolderImageStore(options);
}

class FolderImageStore implements ImageStore {
  readonly #folders: StoreFolders;
  readonly #blobs: BlobStore;
  readonly #references: ReferenceStore;
  readonly #index: LayoutIndex;
  readonly #catalog: ImageCatalog;
  readonly #layers: LayerStore;
  readonly #puller: Puller;
  readonly #pulls = new SharedTasks<PulledImage>();
  #isRecovered = false;

  constructor({ root, registry, maxConcurrentDownloads = defaultDownloads }: ImageStoreOptions) {
    if (!Number.isSafeInteger(maxConcurrentDownloads) || maxConcurrentDownloads < 1) {
      throw new GantryError('INVALID_ARGUMENT', `maxConcurrentDownloads ${maxConcurrentDownloads}: want 1 or more`, {
        details: { field: 'maxConcurrentDownloads' },
      });
    }
    this.#folders = storeFolders(resolve(root));
    this.#blobs = new BlobStore(this.#folders);
    this.#references = new ReferenceStore(this.#folders);
    this.#index = new LayoutIndex(this.#folders, this.#references);
    this.#catalog = new ImageCatalog(this.#blobs, this.#references);
    this.#layers = new LayerStore(this.#folders, this.#blobs);
    this.#puller = new Puller(registry, this.#blobs, maxConcurrentDownloads);
  }

  get layoutPath(): string {
    return this.#folders.layout;
  }

  async get(reference: string, options: { readonly platform?: Platform } = {}): Promise<Image | undefined> {
    const name = formatReference(parseReference(reference));
    return orTyped(this.#catalog.find(name, options.platform), name);
  }

  async pull(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const { platform, credentials, force = false } = options;
    const request: PullRequest = { reference: parseReference(reference), platform, credentials };
    const name = formatReference(request.reference);
    const key = JSON.stringify([name, platform, credentialsKey(credentials), force]);
    const what = `pull of ${name}`;
    return orTyped(
      this.#pulls.join(key, what, options, (context) => this.#pull(request, force, context)),
      what,
    );
  }

  async unpack(image: Image, options: CallOptions = {}): Promise<UnpackedImage> {
    const what = `unpacking of ${image.reference}`;
    return { ...image, layerPaths: await orTyped(this.#layers.ensure(image.layers, what, options), what) };
  }

  list(): AsyncIterable<Image> {
    return eachTyped(this.#catalog.list(), 'list of images');
  }

  readBlob(digest: Digest): AsyncIterable<Uint8Array> {
    return eachTyped(this.#blobs.stream(parseDigest(digest)), `blob ${digest}`);
  }

  async #pull(request: PullRequest, force: boolean, context: TaskContext): Promise<PulledImage> {
    const reference = formatReference(request.reference);
    const present = force ? undefined : await this.#catalog.find(reference, request.platform);
    // Also before the first pull that finds everything: its reference may be all that a killed process came to write.
    if (!present || !this.#isRecovered) await this.#recover();
    if (present) return { ...present, cached: true };
    const { image, top } = await this.#puller.fetch(request, context);
    // Last, when all it leads to is on disk: a reference that is there after a crash is one that works.
    await this.#references.write({ reference, descriptor: top, time: new Date().toISOString() });
    await this.#index.publish();
    return { ...image, cached: false };
  }

  /** Makes what is missing and puts right what processes that died had left. */
  async #recover(): Promise<void> {
    const { layout, references, ingest } = this.#folders;
    for (const folder of [layout, references, ingest]) await ensureFolder(folder);
    await sweepAbandoned(ingest, (path) => rm(path, { force: true }));
    await this.#index.create();
    await this.#index.publish();
    this.#isRecovered = true;
  }
}

async function orTyped<T>(result: Promise<T>, what: string): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw toGantryError(error, what);
  }
}

async function* eachTyped<T>(items: AsyncIterable<T>, what: string): AsyncIterable<T> {
  try {
    yield* items;
  } catch (error) {
    throw toGantryError(error, what);
  }
}
