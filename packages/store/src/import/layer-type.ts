import type { Compression } from '@gantry/archive';
import { MediaType } from '@gantry/image-spec';

const types: ReadonlyMap<Compression, string> = new Map([
  ['none', MediaType.ociLayer],
  ['gzip', MediaType.ociLayerGzip],
  ['zstd', MediaType.ociLayerZstd],
]);

/** The media type of a layer in this compression; undefined for bzip2 and xz, which OCI has none for. */
export function layerTypeOf(compression: Compression): string | undefined {
  return types.get(compression);
}
