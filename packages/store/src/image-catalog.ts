import { assembleImage, hostPlatform, isIndexType, isManifestType, parseManifest } from '@gantry/image-spec';
import { type Descriptor, GantryError, type Image, type Platform } from '@gantry/interface';
import type { BlobStore } from './blob-store.js';
import { blobsOf } from './image-blobs.js';
import { findManifest, maxIndexDepth, requirePlatform } from './manifest-walk.js';
import type { ReferenceRecord, ReferenceStore } from './reference-store.js';

const maxKept = 256;
const thisHost = hostPlatform();
const thisHostKey = JSON.stringify(thisHost);

/** An image and all blobs it needs, the indexes that led to it included. */
interface KnownImage {
  readonly image: Image;
  readonly blobs: readonly Descriptor[];
  /** Whether an index offered other platforms too. */
  readonly chosen: boolean;
}

/** Images as the store has them, without the network. */
export class ImageCatalog {
  readonly #blobs: BlobStore;
  readonly #references: ReferenceStore;
  /** Documents never change under their digest, so what they say is kept; whether the blobs are there is asked each time. */
  readonly #known = new Map<string, KnownImage>();

  constructor(blobs: BlobStore, references: ReferenceStore) {
    this.#blobs = blobs;
    this.#references = references;
  }

  /** The image of a canonical reference, if every blob of it is there. `NO_PLATFORM` as the registry's answer would. */
  async find(reference: string, platform: Platform | undefined): Promise<Image | undefined> {
    const record = this.#references.read(reference);
    if (!record) return undefined;
    return this.#ifWhole(await this.#describe(reference, record.descriptor, platform ?? thisHost), platform);
  }

  /** As {@link find}, without waiting; undefined also for an image that was not found before. */
  peek(reference: string, platform: Platform | undefined): Image | undefined {
    const record = this.#references.read(reference);
    if (!record) return undefined;
    return this.#ifWhole(this.#known.get(keyOf(reference, record.descriptor, platform ?? thisHost)), platform);
  }

  /** Every image of every reference, whatever its platform, that is there whole. */
  async *list(): AsyncIterable<Image> {
    for (const record of await this.#references.list()) yield* this.#imagesOf(record);
  }

  /** Whether a reference stands for an image, of whatever platform, that is there whole. */
  async leadsToImage(record: ReferenceRecord): Promise<boolean> {
    for await (const _ of this.#imagesOf(record)) return true;
    return false;
  }

  /** `NOT_FOUND` unless every blob of an image is there. */
  requireWhole(image: Image): void {
    const missing = blobsOf(image).find((blob) => !this.#blobs.isPresent(blob));
    if (!missing) return;
    throw new GantryError(
      'NOT_FOUND',
      `image ${image.reference} is not whole, blob ${missing.digest} is missing: pull it again`,
      { details: { reference: image.reference, digest: missing.digest } },
    );
  }

  async *#imagesOf({ reference, descriptor }: ReferenceRecord): AsyncIterable<Image> {
    for (const choice of await this.#choices(descriptor)) {
      const image = this.#ifWhole(await this.#describe(reference, choice, thisHost), undefined);
      if (image) yield image;
    }
  }

  async #describe(reference: string, top: Descriptor, platform: Platform): Promise<KnownImage | undefined> {
    const key = keyOf(reference, top, platform);
    const known = this.#known.get(key) ?? (await this.#read(reference, top, platform));
    if (!known) return undefined;
    this.#known.delete(key);
    this.#known.set(key, known);
    for (const [oldest] of this.#known) {
      if (this.#known.size <= maxKept) break;
      this.#known.delete(oldest);
    }
    return known;
  }

  async #read(reference: string, top: Descriptor, platform: Platform): Promise<KnownImage | undefined> {
    const found = await findManifest(top, platform, (descriptor) => this.#blobs.readDocument(descriptor));
    const configBytes = found && (await this.#blobs.readDocument(found.manifest.config));
    if (!configBytes) return undefined;
    const image = assembleImage({ reference, manifest: found.descriptor, parsed: found.manifest, configBytes });
    return { image, blobs: [...found.indexes, ...blobsOf(image)], chosen: found.indexes.length > 0 };
  }

  #ifWhole(known: KnownImage | undefined, platform: Platform | undefined): Image | undefined {
    if (!known?.blobs.every((blob) => this.#blobs.isPresent(blob))) return undefined;
    if (platform && !known.chosen) requirePlatform(known.image, platform);
    return known.image;
  }

  /** The manifests that a reference may mean: itself, or those of its indexes that were fetched. */
  async #choices(top: Descriptor, depth = 0): Promise<readonly Descriptor[]> {
    if (!isIndexType(top.mediaType)) return [top];
    const bytes = depth > maxIndexDepth ? undefined : await this.#blobs.readDocument(top);
    const parsed = bytes && parseManifest(bytes, top.mediaType);
    if (parsed?.kind !== 'index') return [];
    const choices: Descriptor[] = [];
    for (const { mediaType, digest, size } of parsed.index.manifests) {
      const entry = { mediaType, digest, size };
      const isImage = isIndexType(mediaType) || isManifestType(mediaType);
      if (isImage && this.#blobs.isPresent(entry)) choices.push(...(await this.#choices(entry, depth + 1)));
    }
    return choices;
  }
}

function keyOf(reference: string, { digest }: Descriptor, platform: Platform): string {
  return `${reference} ${digest} ${platformKey(platform)}`;
}

function platformKey(platform: Platform): string {
  if (platform === thisHost) return thisHostKey;
  const { os, architecture, variant, osVersion } = platform;
  return JSON.stringify({ os, architecture, variant, osVersion });
}
