import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatReference, parseDigest, parseReference } from '@gantry/image-spec';
import {
  type CallOptions,
  type Descriptor,
  type Digest,
  type ExportOptions,
  GantryError,
  type GarbageOptions,
  type GarbageReport,
  type Image,
  type ImageReference,
  type ImageSource,
  type ImageStore,
  type ImportOptions,
  isGantryError,
  type LeaseRecord,
  type Platform,
  type PulledImage,
  type PullOptions,
  type RegistryClient,
  type StoreFault,
  throwIfAborted,
  type UnpackedImage,
} from '@gantry/interface';
import { ensureFolder } from './durable.js';
import { exportImage } from './export/export-image.js';
import { HeldBlobStore } from './garbage/held-blob-store.js';
import type { Hold } from './garbage/holds.js';
import { blobsOf } from './image-blobs.js';
import { importImage } from './import/import-image.js';
import { checkLeaseId } from './lease-store.js';
import { sweepAbandoned } from './owned-name.js';
import { credentialsKey, type PullRequest } from './puller.js';
import { SharedTasks, type TaskContext } from './shared-tasks.js';
import { createStoreMachinery, type StoreMachinery } from './store-machinery.js';
import type { StoreWebOptions } from './store-parts.js';
import { eachTyped, orTyped } from './typed-errors.js';

/** What a store is made of. */
export interface ImageStoreOptions {
  /** Folder of the store, absolute or relative to the working folder; made when it is first needed. One file system, below it no mount. */
  readonly root: string;
  readonly registry: RegistryClient;
  /** How many blobs of one image are downloaded at once. Default 4. */
  readonly maxConcurrentDownloads?: number;
  /**
   * Milliseconds for which an image is safe from garbage collection after `unpack` and `lease` have resolved, so that its
   * layers can be mounted; as long as this process lives. A lease keeps it for longer. Default 60 000.
   */
  readonly unpackHoldMs?: number;
  /** How appc discovery reaches the web, where that is not as by default: authorities, proxy, deadlines. */
  readonly web?: StoreWebOptions;
}

const defaultDownloads = 4;
const defaultHoldMs = 60_000;
const maxNames = 1024;

/**
 * Makes an image store on a folder. Any number of stores, in any number of processes of one machine, may use the same
 * folder at once. Nothing is touched before the first call. `INVALID_ARGUMENT` for a limit that is no positive integer.
 */
export function createImageStore(options: ImageStoreOptions): ImageStore {
  const { root, registry, maxConcurrentDownloads = defaultDownloads, unpackHoldMs = defaultHoldMs } = options;
  requireInteger('maxConcurrentDownloads', maxConcurrentDownloads, 1);
  requireInteger('unpackHoldMs', unpackHoldMs, 0);
  return new FolderImageStore(
    createStoreMachinery({ root: resolve(root), registry, maxConcurrentDownloads, unpackHoldMs }),
    options.web,
  );
}

class FolderImageStore implements ImageStore {
  readonly #parts: StoreMachinery;
  readonly #web: StoreWebOptions | undefined;
  readonly #pulls = new SharedTasks<PulledImage>();
  readonly #names = new Map<string, ImageReference>();
  #isRecovered = false;

  constructor(parts: StoreMachinery, web: StoreWebOptions | undefined) {
    this.#parts = parts;
    this.#web = web;
  }

  get layoutPath(): string {
    return this.#parts.folders.layout;
  }

  async get(reference: string, options: { readonly platform?: Platform } = {}): Promise<Image | undefined> {
    const name = this.#canonical(reference);
    return orTyped(this.#parts.catalog.find(name, options.platform), name);
  }

  async pull(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const { platform, credentials, force = false, unpack = false, checkAccess = false } = options;
    const request: PullRequest = { reference: this.#parse(reference), platform, credentials, checkAccess };
    const name = formatReference(request.reference);
    const what = `pull of ${name}`;
    throwIfAborted(options.signal, what);
    const present = this.#isRecovered && !force && !checkAccess ? this.#takePresent(name, platform) : undefined;
    if (present && (!unpack || (await this.#takeLayers(present, what, options)))) return { ...present, cached: true };
    const key = JSON.stringify([name, platform, credentialsKey(credentials), force, unpack, checkAccess]);
    const settings = { force, unpack };
    return orTyped(
      this.#pulls.join(key, what, options, (context) => this.#pull(request, settings, what, context)),
      what,
    );
  }

  async unpack(image: Image, options: CallOptions = {}): Promise<UnpackedImage> {
    const what = `unpacking of ${image.reference}`;
    this.#parts.references.touch(image.reference);
    return { ...image, layerPaths: await orTyped(this.#ensureLayers(image, what, options), what) };
  }

  list(): AsyncIterable<Image> {
    return eachTyped(this.#parts.catalog.list(), 'list of images');
  }

  readBlob(digest: Digest): AsyncIterable<Uint8Array> {
    return eachTyped(this.#parts.blobs.stream(parseDigest(digest)), `blob ${digest}`);
  }

  import(source: ImageSource, options: ImportOptions = {}): Promise<PulledImage> {
    const what = 'import of an image';
    return orTyped(
      this.#withHold(what, options.signal, async (hold) => {
        const { folders, registry } = this.#parts;
        const blobs = new HeldBlobStore(folders, hold);
        const { image, top } = await importImage(source, options, { folders, registry, blobs, web: this.#web });
        await this.#publish(image.reference, top, hold);
        return { ...image, cached: false };
      }),
      what,
    );
  }

  export(reference: string, options: ExportOptions): AsyncIterable<Uint8Array> {
    const name = this.#canonical(reference);
    return eachTyped(this.#export(name, options), `export of ${name}`);
  }

  async tag(reference: string, as: string): Promise<void> {
    const [from, to] = [this.#canonical(reference), parseReference(as)];
    const what = `tagging of ${from} as ${formatReference(to)}`;
    const work = async (hold: Hold) => {
      await hold.cover({ references: [from] });
      const record = this.#parts.references.read(from);
      if (!record || !(await this.#parts.catalog.leadsToImage(record))) throw imageNotFound(from);
      if (to.digest !== undefined && to.digest !== record.descriptor.digest) {
        throw new GantryError('INVALID_ARGUMENT', `${what}: the image has digest ${record.descriptor.digest}`, {
          details: { field: 'as', digest: record.descriptor.digest },
        });
      }
      await this.#publish(formatReference(to), record.descriptor, hold);
    };
    return orTyped(this.#withHold(what, undefined, work), what);
  }

  remove(reference: string): Promise<boolean> {
    const name = this.#canonical(reference);
    return orTyped(this.#remove(name), `removal of ${name}`);
  }

  async lease(id: string, images: readonly Image[]): Promise<void> {
    checkLeaseId(id);
    const what = `lease ${id}`;
    const work = async () => {
      const { catalog, imageHolds, leases, references } = this.#parts;
      for (const image of images) catalog.requireWhole(image);
      await leases.write(id, images);
      imageHolds.leased(id, images);
      for (const image of images) references.touch(image.reference);
    };
    return orTyped(this.#parts.imageHolds.during(images, what, undefined, work), what);
  }

  async release(id: string): Promise<boolean> {
    checkLeaseId(id);
    const released = await orTyped(this.#parts.leases.remove(id), `lease ${id}`);
    this.#parts.imageHolds.released(id);
    return released;
  }

  leases(): AsyncIterable<LeaseRecord> {
    return eachTyped(this.#leases(), 'list of leases');
  }

  collectGarbage(options: GarbageOptions = {}): Promise<GarbageReport> {
    return orTyped(this.#parts.collector.collect(options), 'garbage collection');
  }

  verify(options: CallOptions = {}): AsyncIterable<StoreFault> {
    return eachTyped(this.#parts.check.run(options), 'verification of the store');
  }

  /** The image if it is there and was looked at before: without waiting for anything. */
  #takePresent(name: string, platform: Platform | undefined): Image | undefined {
    const { catalog, references } = this.#parts;
    const image = catalog.peek(name, platform);
    if (image) references.touch(name);
    return image;
  }

  /** False if the image was collected since it was looked at: it is pulled as any that is not there. */
  async #takeLayers(image: Image, what: string, options: CallOptions): Promise<boolean> {
    try {
      await orTyped(this.#ensureLayers(image, what, options), what);
      return true;
    } catch (error) {
      if (isGantryError(error, 'NOT_FOUND')) return false;
      throw error;
    }
  }

  #pull(
    request: PullRequest,
    { force, unpack }: { readonly force: boolean; readonly unpack: boolean },
    what: string,
    context: TaskContext,
  ): Promise<PulledImage> {
    const { catalog, layers, puller, references } = this.#parts;
    const name = formatReference(request.reference);
    return this.#withHold(what, context.signal, async (hold) => {
      await hold.cover({ references: [name] });
      const present = force ? undefined : await catalog.find(name, request.platform);
      if (present) {
        if (request.checkAccess) await puller.checkAccess(request, context);
        references.touch(name);
        if (unpack) await this.#ensureLayers(present, what, context);
        return { ...present, cached: true };
      }
      if (unpack) await layers.prepare();
      const { image, top } = await puller.fetch(request, hold, unpack ? layers : undefined, context);
      await this.#publish(name, top, hold);
      return { ...image, cached: false };
    });
  }

  #ensureLayers(image: Image, what: string, options: CallOptions): Promise<readonly string[]> {
    const { imageHolds, layers } = this.#parts;
    return imageHolds.during([image], what, options.signal, () => layers.ensure(image.layers, what, options));
  }

  async *#export(name: string, options: ExportOptions): AsyncIterable<Uint8Array> {
    const { catalog, blobs, folders, holds, references, registry } = this.#parts;
    const image = await catalog.find(name, options.platform);
    if (!image) throw imageNotFound(name);
    references.touch(name);
    const hold = await holds.take(
      { blobs: blobsOf(image).map((blob) => blob.digest) },
      `export of ${name}`,
      options.signal,
    );
    try {
      catalog.requireWhole(image);
      yield* exportImage(image, options, { blobs, folders, registry });
    } finally {
      await hold.release();
    }
  }

  async *#leases(): AsyncIterable<LeaseRecord> {
    for (const { id, images, time } of await this.#parts.leases.list()) yield { id, images, time };
  }

  async #remove(name: string): Promise<boolean> {
    const { references, index } = this.#parts;
    if (!(await references.remove(name))) return false;
    await index.publish();
    return true;
  }

  /** Last, when all it leads to is on disk: a reference that is there after a crash is one that works. */
  async #publish(reference: string, descriptor: Descriptor, hold: Hold): Promise<void> {
    await hold.cover({ references: [reference] });
    await this.#parts.references.write({ reference, descriptor, time: new Date().toISOString() });
    await this.#parts.index.publish();
  }

  async #withHold<T>(what: string, signal: AbortSignal | undefined, work: (hold: Hold) => Promise<T>): Promise<T> {
    await this.#recover();
    const hold = await this.#parts.holds.take({}, what, signal);
    try {
      return await work(hold);
    } finally {
      await hold.release();
    }
  }

  /** Makes what is missing and, once, puts right what processes that died had left. */
  async #recover(): Promise<void> {
    const { folders, index } = this.#parts;
    for (const folder of [folders.layout, folders.references, folders.ingest]) await ensureFolder(folder);
    if (this.#isRecovered) return;
    await sweepAbandoned(folders.ingest, (path) => rm(path, { force: true }));
    await sweepAbandoned(folders.holds, (path) => rm(path, { force: true }));
    // Also before a pull that finds everything: its reference may be all that a killed process came to write.
    await index.create();
    await index.publish();
    this.#isRecovered = true;
  }

  #canonical(text: string): string {
    return formatReference(this.#parse(text));
  }

  #parse(text: string): ImageReference {
    const known = this.#names.get(text);
    if (known) return known;
    const reference = parseReference(text);
    if (this.#names.size >= maxNames) this.#names.clear();
    this.#names.set(text, reference);
    return reference;
  }
}

function imageNotFound(name: string): GantryError {
  return new GantryError('NOT_FOUND', `image ${name} is not in the store: pull it first`, {
    details: { reference: name },
  });
}

function requireInteger(field: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new GantryError('INVALID_ARGUMENT', `${field} ${value}: want a whole number, ${least} or more`, {
    details: { field },
  });
}
