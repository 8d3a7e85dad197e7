import { assembleImage, hostPlatform, isIndexType, isManifestType, parseManifest } from '@gantry/image-spec';
import type { Descriptor, Image, Platform } from '@gantry/interface';
import type { BlobStore } from './blob-store.js';
import { findManifest, maxIndexDepth, requirePlatform } from './manifest-walk.js';
import type { ReferenceStore } from './reference-store.js';

const maxKept = 256;

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
    const record = await this.#references.read(reference);
    if (!record) return undefined;
    const known = await this.#describe(reference, record.descriptor, platform ?? hostPlatform());
    if (!known || !(await this.#isWhole(known))) return undefined;
    if (platform && !known.chosen) requirePlatform(known.image, platform);
    return known.image;
  }

  /** Every image of every reference, whatever its platform, that is there whole. */
  async *list(): AsyncIterable<Image> {
    for (const { reference, descriptor } of await this.#references.list()) {
      for (const choice of await this.#choices(descriptor)) {
        const known = await this.#describe(reference, choice, hostPlatform());
        if (known && (await this.#isWhole(known))) yield known.image;
      }
    }
  }

  async #describe(reference: string, top: Descriptor, platform: Platform): Promise<KnownImage | undefined> {
    const key = JSON.stringify([
      reference,
      top.digest,
      platform.os,
      platform.architecture,
      platform.variant,
      platform.osVersion,
    ]);
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
    const layers = image.layers.map((layer) => layer.descriptor);
    const blobs = [...found.indexes, found.descriptor, image.configDescriptor, ...layers];
    return { image, blobs, chosen: found.indexes.length > 0 };
  }

  async #isWhole(known: KnownImage): Promise<boolean> {
    const present = await Promise.all(known.blobs.map((blob) => this.#blobs.has(blob)));
    return present.every((there) => there);
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
      if (isImage && (await this.#blobs.has(entry))) choices.push(...(await this.#choices(entry, depth + 1)));
    }
    return choices;
  }
}
