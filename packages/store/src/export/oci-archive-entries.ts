import type { TarInput } from '@gantry/archive';
import { digestAlgorithm, digestHex, MediaType, sha256 } from '@gantry/image-spec';
import type { Descriptor, Image } from '@gantry/interface';
import type { BlobStore } from '../blob-store.js';
import { manifestDocument } from '../import/manifest-document.js';
import { storedDocument } from './stored-document.js';

/** Docker's media types and OCI's for the same bytes. OCI image-spec, media-types.md#compatibility-matrix. */
const ociTypes: ReadonlyMap<string, string> = new Map([
  [MediaType.dockerConfig, MediaType.ociConfig],
  [MediaType.dockerLayer, MediaType.ociLayer],
  [MediaType.dockerLayerGzip, MediaType.ociLayerGzip],
  [MediaType.dockerLayerZstd, MediaType.ociLayerZstd],
  [MediaType.dockerForeignLayerGzip, MediaType.ociForeignLayerGzip],
]);

/**
 * The entries of an OCI image layout in an archive. A manifest of Docker's is said in OCI's words, since readers of
 * layouts pass over Docker's: its digest is then another, while config and layers stay what they are.
 */
export async function* ociArchiveEntries(image: Image, blobs: BlobStore): AsyncGenerator<TarInput, void, undefined> {
  const manifest = await ociManifest(image, blobs);
  const { os, architecture, variant, osVersion } = image.config.platform;
  const index = {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [
      {
        ...manifest.descriptor,
        platform: { architecture, os, ...(osVersion && { 'os.version': osVersion }), ...(variant && { variant }) },
        annotations: { 'org.opencontainers.image.ref.name': image.reference },
      },
    ],
  };
  const contents = [image.configDescriptor, ...image.layers.map((layer) => layer.descriptor)];
  yield { name: 'oci-layout', body: JSON.stringify({ imageLayoutVersion: '1.0.0' }) };
  yield { name: 'index.json', body: JSON.stringify(index) };
  yield { name: 'blobs/', type: 'directory' };
  for (const algorithm of new Set([manifest.descriptor, ...contents].map(({ digest }) => digestAlgorithm(digest)))) {
    yield { name: `blobs/${algorithm}/`, type: 'directory' };
  }
  yield { name: blobName(manifest.descriptor), body: manifest.bytes };
  for (const blob of new Map(contents.map((content) => [content.digest, content])).values()) {
    yield { name: blobName(blob), size: blob.size, body: blobs.stream(blob.digest) };
  }
}

async function ociManifest(
  { manifest, configDescriptor, layers }: Image,
  blobs: BlobStore,
): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array }> {
  if (manifest.mediaType !== MediaType.dockerManifest) {
    const { mediaType, digest, size } = manifest;
    return { descriptor: { mediaType, digest, size }, bytes: await storedDocument(manifest, blobs) };
  }
  const bytes = manifestDocument(
    inOciType(configDescriptor),
    layers.map((layer) => inOciType(layer.descriptor)),
  );
  return { descriptor: { mediaType: MediaType.ociManifest, digest: sha256(bytes), size: bytes.byteLength }, bytes };
}

function inOciType(descriptor: Descriptor): Descriptor {
  return { ...descriptor, mediaType: ociTypes.get(descriptor.mediaType) ?? descriptor.mediaType };
}

function blobName({ digest }: Descriptor): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}
