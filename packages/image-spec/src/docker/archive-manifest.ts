import type { Descriptor, Digest } from '@gantry/interface';
import { isDigest } from '../digest.js';
import { decodeJson } from '../json/decode-json.js';
import { invalidDocument, JsonFields } from '../json/json-fields.js';
import { descriptorFields, readDescriptor } from '../oci/descriptor.js';
import { quote } from '../quote.js';
import { normalArchivePath } from './archive-path.js';
import { readRepoTag } from './repo-tag.js';

/** One image of a `docker save` archive. Paths are names of the archive's entries, normalised: relative, without `..`. */
export interface DockerArchiveImage {
  /** Of the image config document. */
  readonly config: string;
  /** Of the layers' archives, lowest first. */
  readonly layers: readonly string[];
  /** Canonical references, e.g. `docker.io/library/redis:7`. Only the one asked for may be tagged. */
  readonly references: readonly string[];
  /** By diff id: what a layer was in its registry. Empty for most. */
  readonly layerSources: ReadonlyMap<Digest, Descriptor>;
}

const what = 'docker-archive manifest.json';
const names = ['Config', 'RepoTags', 'Layers', 'LayerSources'] as const;

type ImageFields = JsonFields<(typeof names)[number]>;

/**
 * Reads `manifest.json` of a `docker save` archive, at most 4 MiB: its images, at least one. `INVALID_DOCUMENT` with the
 * JSON path of the fault; a path that leaves the archive is one.
 */
export function parseDockerArchiveManifest(bytes: Uint8Array): readonly DockerArchiveImage[] {
  const value = decodeJson(bytes, { what });
  if (!Array.isArray(value) || value.length === 0) throw invalidDocument(what, '$', 'want an array of images');
  return value.map((image, index) => readImage(new JsonFields(what, `$[${index}]`, image, names)));
}

function readImage(fields: ImageFields): DockerArchiveImage {
  if (!fields.has('Layers')) throw fields.invalid('Layers', 'missing');
  const config = normalArchivePath(fields.requiredString('Config'));
  if (config === undefined) throw fields.invalid('Config', 'no path inside the archive');
  return {
    config,
    layers: fields.strings('Layers').map((layer, index) => {
      const path = normalArchivePath(layer);
      if (path === undefined)
        throw fields.invalidElement('Layers', index, `${quote(layer)} is no path inside the archive`);
      return path;
    }),
    references: fields.strings('RepoTags').map((tag, index) => {
      const reference = readRepoTag(tag);
      if (reference === undefined) throw fields.invalidElement('RepoTags', index, `${quote(tag)} is no repository:tag`);
      return reference;
    }),
    layerSources: new Map(
      fields.objectMembers('LayerSources', descriptorFields).map(([diffId, source]) => {
        if (!isDigest(diffId))
          throw fields.invalidMember('LayerSources', diffId, 'the key is no sha256 or sha512 digest');
        return [diffId, readDescriptor(source)];
      }),
    ),
  };
}
