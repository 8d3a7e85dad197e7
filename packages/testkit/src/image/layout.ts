import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestAlgorithm, digestHex, MediaType } from '@gantry/image-spec';
import type { Descriptor, Digest } from '@gantry/interface';

/** Where an image layout has a blob. OCI image-spec, image-layout.md. */
export function blobPath(folder: string, digest: Digest): string {
  return join(folder, 'blobs', digestAlgorithm(digest), digestHex(digest));
}

/** Writes the two files that make a folder of blobs an image layout. */
export async function writeIndex(folder: string, manifest: Descriptor, ref: string): Promise<void> {
  const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': ref } };
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [named] };
  await writeFile(join(folder, 'index.json'), JSON.stringify(index));
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}
