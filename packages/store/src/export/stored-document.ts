import { type Descriptor, GantryError } from '@gantry/interface';
import type { BlobStore } from '../blob-store.js';

/** A manifest or config of the store; `NOT_FOUND` if it is absent or damaged. */
export async function storedDocument(descriptor: Descriptor, blobs: BlobStore): Promise<Uint8Array> {
  const bytes = await blobs.readDocument(descriptor);
  if (bytes) return bytes;
  throw new GantryError('NOT_FOUND', `blob ${descriptor.digest} is damaged or gone: pull or import its image again`, {
    details: { digest: descriptor.digest },
  });
}
