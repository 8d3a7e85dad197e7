import { createHash } from 'node:crypto';
import { type Descriptor, type Digest, GantryError, type Image, type ImageLayer } from '@gantry/interface';
import { chainIds } from './chain-id.js';
import { digestAlgorithm } from './digest.js';
import { parseImageConfig } from './image-config.js';
import { isLayerType } from './media-types.js';
import { artifactTypeOf, type ImageManifest } from './oci/manifest.js';
import { quote } from './quote.js';

/** What an image is put together from. */
export interface ImageParts {
  /** The normalised reference it was asked for by. */
  readonly reference: string;
  /** Of the platform's manifest. */
  readonly manifest: Descriptor;
  readonly parsed: ImageManifest;
  /** The blob that `parsed.config` describes. */
  readonly configBytes: Uint8Array;
}

/**
 * Joins a manifest and its config into one image. The config must be what its descriptor says (`SIZE_MISMATCH`,
 * `DIGEST_MISMATCH`) and name as many layers as the manifest (`INVALID_DOCUMENT`). `UNSUPPORTED` for an artifact that is
 * no container image and for layers of an unknown media type.
 */
export function assembleImage(parts: ImageParts): Image {
  const { reference, manifest, parsed, configBytes } = parts;
  const artifactType = artifactTypeOf(parsed);
  if (artifactType !== undefined) {
    throw new GantryError(
      'UNSUPPORTED',
      `${reference}: an artifact of type ${quote(artifactType)}, no container image`,
      {
        details: { mediaType: parsed.config.mediaType, artifactType },
      },
    );
  }
  verifyConfig(reference, parsed.config, configBytes);
  const { config, diffIds } = parseImageConfig(configBytes);
  return {
    reference,
    digest: manifest.digest,
    manifest,
    configDescriptor: parsed.config,
    config,
    layers: joinLayers(reference, parsed.layers, diffIds),
  };
}

function joinLayers(
  reference: string,
  descriptors: readonly Descriptor[],
  diffIds: readonly Digest[],
): readonly ImageLayer[] {
  if (descriptors.length !== diffIds.length) {
    throw new GantryError(
      'INVALID_DOCUMENT',
      `${reference}: the manifest has ${descriptors.length} layers, its config ${diffIds.length} at $.rootfs.diff_ids`,
      { details: { path: '$.rootfs.diff_ids' } },
    );
  }
  const chain = chainIds(diffIds);
  return descriptors.flatMap((descriptor, index) => {
    const [diffId, chainId] = [diffIds[index], chain[index]];
    if (!isLayerType(descriptor.mediaType)) {
      throw new GantryError('UNSUPPORTED', `${reference}: layer of media type ${quote(descriptor.mediaType)}`, {
        details: { mediaType: descriptor.mediaType, path: `$.layers[${index}]` },
      });
    }
    return diffId === undefined || chainId === undefined ? [] : [{ descriptor, diffId, chainId }];
  });
}

function verifyConfig(reference: string, descriptor: Descriptor, bytes: Uint8Array): void {
  const details = { digest: descriptor.digest };
  if (bytes.byteLength !== descriptor.size) {
    throw new GantryError(
      'SIZE_MISMATCH',
      `${reference}: config ${descriptor.digest} has ${bytes.byteLength} bytes, not ${descriptor.size}`,
      { details },
    );
  }
  const algorithm = digestAlgorithm(descriptor.digest);
  if (`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` !== descriptor.digest) {
    throw new GantryError('DIGEST_MISMATCH', `${reference}: config is not what ${descriptor.digest} says`, { details });
  }
}
