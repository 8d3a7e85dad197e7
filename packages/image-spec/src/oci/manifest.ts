import { type Descriptor, GantryError, type Platform } from '@gantry/interface';
import { JsonFields } from '../json/json-fields.js';
import type { JsonObject } from '../json/json-value.js';
import { isConfigType, isIndexType, isManifestType, isSchema1Type, MediaType, mediaTypeOf } from '../media-types.js';
import { quote } from '../quote.js';
import { descriptorFields, readDescriptor, readMediaType, readPlatform } from './descriptor.js';

/** An image manifest, OCI's or Docker's schema 2. OCI image-spec, manifest.md. */
export interface ImageManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  /** What an artifact is, where its config does not tell. See {@link artifactTypeOf}. */
  readonly artifactType?: string;
  /** The manifest that this one is about. */
  readonly subject?: Descriptor;
  readonly annotations: ReadonlyMap<string, string>;
  /** The whole document, unknown fields included. */
  readonly raw: JsonObject;
}

/** One manifest of an index. The platform is absent where the index does not tell it. */
export interface IndexEntry extends Descriptor {
  readonly platform?: Platform;
}

/** An OCI image index or a Docker manifest list. OCI image-spec, image-index.md. */
export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly IndexEntry[];
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations: ReadonlyMap<string, string>;
  /** The whole document, unknown fields included. */
  readonly raw: JsonObject;
}

/** What a registry gives for a reference: one image, or a choice of them. */
export type ParsedManifest =
  | { readonly kind: 'index'; readonly index: ImageIndex }
  | { readonly kind: 'manifest'; readonly manifest: ImageManifest };

const what = 'manifest';
const fieldNames = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
  'fsLayers',
] as const;

type ManifestFields = JsonFields<(typeof fieldNames)[number]>;

/**
 * Reads a manifest or an index, at most 4 MiB. `mediaType` is the Content-Type it came with, parameters ignored: the
 * document's own, if it has one, must be the same. A document that could be read as another kind is refused.
 * `INVALID_DOCUMENT` with the JSON path of the fault; `UNSUPPORTED` for schema 1 and for a media type that is no image's.
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): ParsedManifest {
  const fields = JsonFields.decode(what, bytes, fieldNames);
  const type = agreedType(fields, mediaTypeOf(mediaType ?? ''));
  const subject = fields.object('subject', descriptorFields);
  const artifactType = readMediaType(fields, 'artifactType');
  const document = {
    mediaType: type,
    ...(artifactType !== undefined && { artifactType }),
    ...(subject && { subject: readDescriptor(subject) }),
    annotations: fields.stringMap('annotations'),
    raw: fields.raw,
  };
  return isIndexType(type)
    ? { kind: 'index', index: { ...document, ...readIndex(fields) } }
    : { kind: 'manifest', manifest: { ...document, ...readImageManifest(fields) } };
}

/** The media type that header, body and shape of a document agree on. */
function agreedType(fields: ManifestFields, given: string | undefined): string {
  const own = fields.string('mediaType');
  if (own !== undefined && given !== undefined && own !== given) {
    throw fields.invalid('mediaType', `${quote(own)}, but it was sent as ${quote(given)}`);
  }
  const type = own ?? given ?? typeOfShape(fields);
  if (isSchema1Type(type) || fields.has('fsLayers')) throw schema1();
  if (!isIndexType(type) && !isManifestType(type)) {
    throw new GantryError(
      'UNSUPPORTED',
      `${what}: media type ${quote(type)} is neither an image manifest nor an index`,
      {
        details: { mediaType: type },
      },
    );
  }
  if (fields.size('schemaVersion') !== 2) throw fields.invalid('schemaVersion', 'want 2');
  return type;
}

function typeOfShape(fields: ManifestFields): string {
  if (fields.has('fsLayers')) return MediaType.dockerSchema1;
  if (fields.has('manifests')) return MediaType.ociIndex;
  if (fields.has('config')) return MediaType.ociManifest;
  throw fields.invalid('mediaType', 'missing, and the document is neither a manifest nor an index');
}

function readIndex(fields: ManifestFields): Pick<ImageIndex, 'manifests'> {
  for (const name of ['layers', 'config'] as const) {
    if (fields.has(name)) throw fields.invalid(name, 'an index must not have it (CVE-2021-41190)');
  }
  if (!fields.has('manifests')) throw fields.invalid('manifests', 'missing');
  const manifests = fields.objects('manifests', descriptorFields).map((entry): IndexEntry => {
    const platform = readPlatform(entry);
    return { ...readDescriptor(entry), ...(platform && { platform }) };
  });
  return { manifests };
}

function readImageManifest(fields: ManifestFields): Pick<ImageManifest, 'config' | 'layers'> {
  if (fields.has('manifests')) throw fields.invalid('manifests', 'an image manifest must not have it (CVE-2021-41190)');
  const config = readDescriptor(fields.requiredObject('config', descriptorFields));
  if (!fields.has('layers')) throw fields.invalid('layers', 'missing');
  if (config.mediaType === MediaType.ociEmpty && !fields.has('artifactType')) {
    throw fields.invalid('artifactType', 'missing, and the config is the empty one');
  }
  return { config, layers: fields.objects('layers', descriptorFields).map(readDescriptor) };
}

/**
 * What an artifact is that goes by a manifest and is no container image: its `artifactType`, else its config's media type.
 * Undefined for an image. OCI image-spec, manifest.md#guidelines-for-artifact-usage.
 */
export function artifactTypeOf(manifest: ImageManifest): string | undefined {
  return isConfigType(manifest.config.mediaType) ? undefined : (manifest.artifactType ?? manifest.config.mediaType);
}

function schema1(): GantryError {
  return new GantryError(
    'UNSUPPORTED',
    `${what}: Docker schema 1 is no image manifest of this kind; read it with parseSchema1Manifest, or push the image again with a current client`,
    { details: { mediaType: MediaType.dockerSchema1 } },
  );
}
