import { type Digest, GantryError } from '@gantry/interface';
import { isDigest } from '../digest.js';
import { decodeJsonText } from '../json/decode-json.js';
import { JsonFields } from '../json/json-fields.js';
import type { JsonObject } from '../json/json-value.js';
import { isSchema1Type, MediaType, mediaTypeOf } from '../media-types.js';
import { quote } from '../quote.js';
import { isRepository, isTag } from '../reference.js';
import { type VerifiedSignature, verifyPrettySignature } from './pretty-signature.js';
import { configOfChain } from './v1-config.js';
import { type V1Image, v1ImageAt } from './v1-image.js';

/** One layer of a schema 1 manifest. Its size is told nowhere. */
export interface Schema1Layer {
  readonly digest: Digest;
  /** True if it changes no file (`throwaway`): it has no part in the image's diff ids and need not be fetched. */
  readonly empty: boolean;
}

/** Docker's image manifest version 2, schema 1. */
export interface Schema1Manifest {
  /** The repository as the one who pushed it called it, without registry. The caller knows better. */
  readonly name: string;
  readonly tag: string;
  /** May be empty. */
  readonly architecture: string;
  /** Lowest first. */
  readonly layers: readonly Schema1Layer[];
  /** What each layer's `v1Compatibility` says, lowest first; as many as layers. */
  readonly history: readonly V1Image[];
  /** The signatures, all of them right; none of an unsigned manifest. Whom to trust is the caller's to say. */
  readonly signatures: readonly VerifiedSignature[];
  /** The bytes without the signatures: what a registry's digest of a schema 1 manifest is of. */
  readonly payload: Uint8Array;
  /** The whole payload, unknown fields included. */
  readonly raw: JsonObject;
}

const what = 'schema 1 manifest';
const names = [
  'schemaVersion',
  'mediaType',
  'name',
  'tag',
  'architecture',
  'fsLayers',
  'history',
  'signatures',
  'layers',
  'config',
  'manifests',
] as const;

type ManifestFields = JsonFields<(typeof names)[number]>;

/**
 * Reads a Docker schema 1 manifest, at most 4 MiB, signed or not. `mediaType` is the Content-Type it came with. Of a
 * signed one only what is signed is read, and every signature must be right (JWS with a JSON Web Key of P-256, P-384,
 * P-521 or RSA). `INVALID_DOCUMENT` with the JSON path of the fault: a wrong signature, ids that are not hex, layers and
 * history that do not match, fields of another kind of manifest. Docker distribution, spec/manifest-v2-1.
 */
export function parseSchema1Manifest(bytes: Uint8Array, mediaType?: string): Schema1Manifest {
  const signed = verifyPrettySignature(bytes);
  const payload = signed?.payload ?? bytes;
  const fields = JsonFields.decode(what, payload, names);
  const type = mediaTypeOf(mediaType ?? '');
  refuseOtherKinds(fields, type);
  if (type === MediaType.dockerSchema1Signed && signed === undefined) {
    throw fields.invalid('signatures', 'missing, though it was sent as signed');
  }
  const [name, tag] = [fields.requiredString('name'), fields.requiredString('tag')];
  if (!isRepository(name)) throw fields.invalid('name', `${quote(name)} is no repository`);
  if (!isTag(tag)) throw fields.invalid('tag', `${quote(tag)} is no tag`);
  return {
    name,
    tag,
    architecture: fields.string('architecture') ?? '',
    ...readLayers(fields),
    signatures: signed?.signatures ?? [],
    payload,
    raw: fields.raw,
  };
}

/**
 * Makes the image config document of a schema 1 image. `diffIds` are the digests of its layers, uncompressed, lowest
 * first, without those that are `empty`. The same arguments give the same bytes, so the same image id.
 * `INVALID_ARGUMENT` (field `diffIds`) if there are not as many as layers; `INVALID_DOCUMENT` if the topmost
 * `v1Compatibility` holds no well-formed `config`. A platform that is not told is linux/amd64.
 */
export function schema1Config(manifest: Schema1Manifest, diffIds: readonly Digest[]): Uint8Array {
  return configOfChain(manifest.history, diffIds, (image) => image.throwaway, manifest.architecture);
}

function refuseOtherKinds(fields: ManifestFields, given: string | undefined): void {
  const own = fields.string('mediaType');
  if (own !== undefined && !isSchema1Type(own)) throw fields.invalid('mediaType', `${quote(own)} is not schema 1`);
  if (given !== undefined && !isSchema1Type(given)) {
    throw new GantryError('INVALID_DOCUMENT', `${what}: it was sent as ${quote(given)}`, { details: { path: '$' } });
  }
  for (const name of ['layers', 'config', 'manifests', 'signatures'] as const) {
    if (fields.has(name)) throw fields.invalid(name, 'a schema 1 manifest must not have it (CVE-2021-41190)');
  }
  if (fields.size('schemaVersion') !== 1) throw fields.invalid('schemaVersion', 'want 1');
}

function readLayers(fields: ManifestFields): Pick<Schema1Manifest, 'layers' | 'history'> {
  const digests = fields.objects('fsLayers', ['blobSum']).map((layer) => {
    const digest = layer.requiredString('blobSum');
    if (isDigest(digest)) return digest;
    throw layer.invalid('blobSum', `${quote(digest)} is no sha256 or sha512 digest`);
  });
  const history = fields.objects('history', ['v1Compatibility']).map((entry) => {
    const at = entry.pathOf('v1Compatibility');
    return v1ImageAt(what, at, decodeJsonText(entry.requiredString('v1Compatibility'), { what, at }));
  });
  if (digests.length === 0) throw fields.invalid('fsLayers', 'want at least one layer');
  if (digests.length !== history.length) {
    throw fields.invalid('history', `${history.length} entries for ${digests.length} layers (CVE-2014-9358)`);
  }
  requireChain(fields, history);
  return {
    layers: digests.map((digest, index) => ({ digest, empty: history[index]?.throwaway ?? false })).reverse(),
    history: history.reverse(),
  };
}

/** Topmost first, each image names the next as its parent, and none comes twice. */
function requireChain(fields: ManifestFields, history: readonly V1Image[]): void {
  const seen = new Set<string>();
  history.forEach(({ id, parent }, index) => {
    const below = history[index + 1]?.id;
    if (seen.has(id)) throw fields.invalidElement('history', index, `image ${id} comes twice`);
    if (parent !== below) {
      throw fields.invalidElement(
        'history',
        index,
        `its parent is ${parent ?? 'none'}, but ${below ?? 'none'} is below it`,
      );
    }
    seen.add(id);
  });
}
