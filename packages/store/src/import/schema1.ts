import { MediaType, type Schema1Manifest, schema1Config, sha256 } from '@gantry/image-spec';
import type { CallOptions, Descriptor, Digest } from '@gantry/interface';
import type { BlobStore } from '../blob-store.js';
import { detect, inflateAs } from './inflate.js';
import { layerTypeOf } from './layer-type.js';
import { manifestDocument } from './manifest-document.js';
import { measure } from './measure.js';

/** A document that was made here and is in the store. */
export interface MadeDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/**
 * Makes an OCI manifest and config of a schema 1 manifest, and writes both to the store. The layers that are not `empty`
 * have been fetched before: `layers` are their digests and sizes, lowest first, whatever media type they claim. Each is
 * read through once for the digest of its uncompressed content, of which nothing is kept. The same image gives the same documents.
 */
export async function convertSchema1(
  schema1: Schema1Manifest,
  layers: readonly Descriptor[],
  blobs: BlobStore,
  { signal }: Pick<CallOptions, 'signal'> = {},
): Promise<{ readonly manifest: MadeDocument; readonly config: MadeDocument }> {
  const described = new Map<Digest, { readonly descriptor: Descriptor; readonly diffId: Digest }>();
  for (const layer of layers) {
    if (!described.has(layer.digest)) described.set(layer.digest, await describe(layer, blobs, signal));
  }
  const ordered = layers.flatMap(({ digest }) => described.get(digest) ?? []);
  const diffIds = ordered.map((layer) => layer.diffId);
  const config = made(schema1Config(schema1, diffIds), MediaType.ociConfig);
  const descriptors = ordered.map((layer) => layer.descriptor);
  const manifest = made(manifestDocument(config.descriptor, descriptors), MediaType.ociManifest);
  await blobs.prepare([config.descriptor, manifest.descriptor]);
  for (const { descriptor, bytes } of [config, manifest]) {
    if (!(await blobs.readDocument(descriptor))) await blobs.write(descriptor, [bytes], signal && { signal });
  }
  return { manifest, config };
}

async function describe(
  { digest, size }: Descriptor,
  blobs: BlobStore,
  signal: AbortSignal | undefined,
): Promise<{ readonly descriptor: Descriptor; readonly diffId: Digest }> {
  const what = `layer ${digest}`;
  const { compression, content } = await detect(blobs.stream(digest));
  const tar = inflateAs(what, compression, content, size);
  const { digest: diffId } = await measure(what, tar, 'sha256', signal);
  // Schema 1 tells no media type: what the content shows is put down.
  return { descriptor: { mediaType: layerTypeOf(compression) ?? MediaType.ociLayer, digest, size }, diffId };
}

function made(bytes: Uint8Array, mediaType: string): MadeDocument {
  return { descriptor: { mediaType, digest: sha256(bytes), size: bytes.byteLength }, bytes };
}
