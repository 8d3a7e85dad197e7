import { MediaType } from '@gantry/image-spec';
import type { Descriptor } from '@gantry/interface';

/** The OCI image manifest for a config and layers, lowest first. The same input gives the same bytes. */
export function manifestDocument(
  config: Descriptor,
  layers: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
): Uint8Array {
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: bare(config),
    layers: layers.map(bare),
    ...(annotations && { annotations }),
  };
  return Buffer.from(JSON.stringify(document));
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
