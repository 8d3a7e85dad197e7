import { assembleImage, type ImageManifest, maxDocumentBytes, parseManifest } from '@gantry/image-spec';
import { type Descriptor, type Digest, GantryError, type Image, type ImageStore } from '@gantry/interface';

/**
 * The image of a manifest that the store has, under whatever reference or none: what a lease keeps stays when its reference has come to
 * stand for another. `NOT_FOUND` if it is not there, `UNSUPPORTED` for an index.
 */
export async function imageOfDigest(store: ImageStore, reference: string, digest: Digest): Promise<Image> {
  const { manifest, descriptor } = await readManifest(store, digest);
  const configBytes = await readDocument(store, manifest.config.digest);
  return assembleImage({ reference, manifest: descriptor, parsed: manifest, configBytes });
}

/** `NOT_FOUND` if it is not in the store, `UNSUPPORTED` for an index. */
export async function readManifest(
  store: ImageStore,
  digest: Digest,
): Promise<{ readonly manifest: ImageManifest; readonly descriptor: Descriptor }> {
  const bytes = await readDocument(store, digest);
  const parsed = parseManifest(bytes);
  if (parsed.kind === 'manifest') {
    const { manifest } = parsed;
    return { manifest, descriptor: { mediaType: manifest.mediaType, digest, size: bytes.byteLength } };
  }
  throw new GantryError('UNSUPPORTED', `${digest} is an index: name the manifest that the container was made of`, {
    details: { digest },
  });
}

/** The bytes of a manifest or config. `LIMIT_EXCEEDED` for what no document is as large as. */
export async function readDocument(store: ImageStore, digest: Digest): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of store.readBlob(digest)) {
    size += piece.byteLength;
    if (size > maxDocumentBytes) {
      throw new GantryError('LIMIT_EXCEEDED', `${digest} is larger than the ${maxDocumentBytes} bytes of a document`, {
        details: { digest, limit: maxDocumentBytes },
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
