import { type Digest, GantryError } from '@gantry/interface';
import { parseImageConfig } from '../image-config.js';
import type { JsonObject } from '../json/json-value.js';
import type { V1Image } from './v1-image.js';

/** What only version 1 knows: names of the image and its parent, and figures of one machine's disk. */
const droppedFields: ReadonlySet<string> = new Set([
  'id',
  'parent',
  'parent_id',
  'layer_id',
  'throwaway',
  'Size',
  'created',
  'os',
  'architecture',
  'rootfs',
  'history',
]);

/** Docker's v1 images were of one platform for years before the documents told it. */
const impliedPlatform = { os: 'linux', architecture: 'amd64' };

/** As {@link v1ImageConfig}, with layers that change nothing: those have no diff id. */
export function configOfChain(
  chain: readonly V1Image[],
  diffIds: readonly Digest[],
  isEmpty: (image: V1Image) => boolean,
  architecture?: string,
): Uint8Array {
  const top = chain.at(-1);
  if (top === undefined) throw mismatch(0, diffIds.length);
  const filled = chain.filter((image) => !isEmpty(image)).length;
  if (filled !== diffIds.length) throw mismatch(filled, diffIds.length);
  const document = {
    ...withoutFields(top.raw, droppedFields),
    ...(top.created !== undefined && { created: top.created }),
    os: top.os ?? impliedPlatform.os,
    architecture: top.architecture ?? (architecture || impliedPlatform.architecture),
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: chain.map((image) => ({
      ...(image.created !== undefined && { created: image.created }),
      ...(image.author !== undefined && { author: image.author }),
      ...(image.createdBy !== undefined && { created_by: image.createdBy }),
      ...(image.comment !== undefined && { comment: image.comment }),
      ...(isEmpty(image) && { empty_layer: true }),
    })),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  parseImageConfig(bytes);
  return bytes;
}

/**
 * Makes the image config document of an image of an old `docker save` archive: `chain` from {@link v1ImageChain}, and
 * the digest of each one's uncompressed `layer.tar`. The same arguments give the same bytes, so the same image id.
 * `INVALID_ARGUMENT` (field `diffIds`) if there are not as many digests as images; `INVALID_DOCUMENT` for an image
 * whose `config` is malformed. A platform that is not told is linux/amd64.
 */
export function v1ImageConfig(chain: readonly V1Image[], diffIds: readonly Digest[]): Uint8Array {
  return configOfChain(chain, diffIds, () => false);
}

function withoutFields(object: JsonObject, dropped: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !dropped.has(key)));
}

function mismatch(layers: number, diffIds: number): GantryError {
  return new GantryError('INVALID_ARGUMENT', `diff ids: want one a layer, ${layers}, but there are ${diffIds}`, {
    details: { field: 'diffIds' },
  });
}
