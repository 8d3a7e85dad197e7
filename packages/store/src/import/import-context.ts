import { assembleImage, formatReference, MediaType, parseManifest, parseReference, sha256 } from '@gantry/image-spec';
import {
  type Descriptor,
  GantryError,
  type Image,
  type ImportOptions,
  type Platform,
  type ProgressEvent,
} from '@gantry/interface';
import { requirePlatform } from '../manifest-walk.js';
import { report } from '../shared-tasks.js';
import type { StoreParts } from '../store-parts.js';
import { manifestDocument } from './manifest-document.js';
import { StagedBlobs } from './staged-blobs.js';

/** What a source gives: an image, the blobs of which are staged or in the store. */
export interface ImportedImage {
  readonly image: Image;
  /** What its reference is to stand for: the image's manifest, or an index that leads to it. */
  readonly top: Descriptor;
}

/** One import: its options, where its blobs go, and the steps that all sources share. */
export class ImportContext {
  readonly parts: StoreParts;
  readonly staged: StagedBlobs;
  readonly signal: AbortSignal | undefined;
  readonly platform: Platform | undefined;
  readonly #options: ImportOptions;
  readonly #as: string | undefined;

  constructor(options: ImportOptions, parts: StoreParts) {
    this.parts = parts;
    this.staged = new StagedBlobs(parts.folders, parts.blobs);
    this.signal = options.signal;
    this.platform = options.platform;
    this.#options = options;
    this.#as = options.as === undefined ? undefined : canonicalName(options.as);
  }

  readonly report = (event: ProgressEvent): void => report(this.#options, event);

  /** Adds a blob that the source has by its digest, with progress. */
  async addBlob(content: AsyncIterable<Uint8Array>, { mediaType, digest, size }: Descriptor): Promise<void> {
    const onBytes = (current: number) => this.report({ type: 'fetching', digest, current, total: size });
    await this.staged.add(content, { mediaType, expected: { digest, size }, signal: this.signal, onBytes });
    this.report({ type: 'fetched', digest, total: size, cached: false });
  }

  /** Adds a document that is made here, by its sha256. */
  async addDocument(bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
    const descriptor = { mediaType, digest: sha256(bytes), size: bytes.byteLength };
    await this.staged.addDocument(bytes, descriptor);
    return descriptor;
  }

  /** Makes the manifest for a config and layers that came without one, and puts the image together. */
  async assembleNew(
    own: string | undefined,
    configBytes: Uint8Array,
    layers: readonly { readonly descriptor: Descriptor }[],
    annotations?: Readonly<Record<string, string>>,
  ): Promise<ImportedImage> {
    const config = await this.addDocument(configBytes, MediaType.ociConfig);
    const descriptors = layers.map((layer) => layer.descriptor);
    const bytes = manifestDocument(config, descriptors, annotations);
    const manifest = await this.addDocument(bytes, MediaType.ociManifest);
    return this.assemble(own, manifest, manifest);
  }

  /** The reference that the caller wants, else the source's own name for the image. `INVALID_ARGUMENT` if that is no reference. */
  reference(own: string | undefined): string {
    if (this.#as !== undefined) return this.#as;
    if (own === undefined) throw missingName('the source does not name the image');
    try {
      return canonicalName(own);
    } catch (cause) {
      throw missingName(
        `the source's name for the image, ${JSON.stringify(own.slice(0, 200))}, is no reference`,
        cause,
      );
    }
  }

  /** Puts the image together from its staged manifest and config, before its layers are there. */
  async assemble(own: string | undefined, manifest: Descriptor, top: Descriptor): Promise<ImportedImage> {
    const reference = this.reference(own);
    const pinned = parseReference(reference).digest;
    if (pinned !== undefined && pinned !== top.digest) {
      throw new GantryError('INVALID_ARGUMENT', `${reference}: the image of the source has digest ${top.digest}`, {
        details: { field: 'as', digest: top.digest },
      });
    }
    const parsed = parseManifest(await this.staged.readDocument(manifest), manifest.mediaType);
    if (parsed.kind === 'index') throw new GantryError('INVALID_DOCUMENT', `${manifest.digest} is an index`);
    const configBytes = await this.staged.readDocument(parsed.manifest.config);
    const image = assembleImage({ reference, manifest, parsed: parsed.manifest, configBytes });
    if (this.platform && top.digest === manifest.digest) requirePlatform(image, this.platform);
    const layers = image.layers.map((layer) => layer.descriptor);
    this.report({ type: 'resolved', reference, digest: image.digest, layers });
    return { image, top };
  }
}

function canonicalName(text: string): string {
  return formatReference(parseReference(text));
}

function missingName(problem: string, cause?: unknown): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${problem}: give the reference to keep it under in \`as\``, {
    cause,
    details: { field: 'as' },
  });
}
