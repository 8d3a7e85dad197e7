import { MediaType, parseSchema1Manifest } from '@gantry/image-spec';
import { type Descriptor, type Digest, GantryError } from '@gantry/interface';
import type { BlobStore } from './blob-store.js';
import { convertSchema1, type MadeDocument } from './import/schema1.js';

/** How the layers of a schema 1 image are brought into the store. */
export interface Schema1Source {
  /** The blobs, each held against garbage collection once it was asked for. */
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
  /** Undefined if the repository does not hold the blob. */
  sizeOf(digest: Digest): Promise<number | undefined>;
  /** Fetches those that are missing. */
  fetch(layers: readonly Descriptor[]): Promise<void>;
}

/**
 * Makes an OCI manifest of a schema 1 one, which tells neither sizes nor what its layers uncompress to: so they are
 * fetched first, and read through. `NOT_FOUND` for a layer that the registry does not hold.
 */
export async function schema1Image(
  { descriptor, bytes }: MadeDocument,
  { blobs, signal, sizeOf, fetch }: Schema1Source,
): Promise<MadeDocument> {
  const manifest = parseSchema1Manifest(bytes, descriptor.mediaType);
  const sizes = new Map<Digest, number>();
  const layers: Descriptor[] = [];
  for (const { digest } of manifest.layers.filter((layer) => !layer.empty)) {
    const size = sizes.get(digest) ?? (await sizeOf(digest));
    if (size === undefined) {
      throw new GantryError('NOT_FOUND', `layer ${digest} of ${manifest.name}:${manifest.tag} is not in the registry`, {
        details: { digest },
      });
    }
    sizes.set(digest, size);
    layers.push({ mediaType: MediaType.dockerLayerGzip, digest, size });
  }
  await fetch(layers);
  return (await convertSchema1(manifest, layers, blobs, { signal })).manifest;
}
