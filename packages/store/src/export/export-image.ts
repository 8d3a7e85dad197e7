import { type TarInput, writeTar } from '@gantry/archive';
import { type ExportOptions, GantryError, type Image, throwIfAborted } from '@gantry/interface';
import type { StoreParts } from '../store-parts.js';
import { dockerArchiveEntries } from './docker-archive-entries.js';
import { ociArchiveEntries } from './oci-archive-entries.js';

/**
 * Streams an image, all blobs of which are in the store, as one uncompressed tar archive. The same image gives the same
 * bytes. A blob that turns out to be damaged on disk ends it with `DIGEST_MISMATCH`.
 */
export async function* exportImage(
  image: Image,
  options: ExportOptions,
  parts: StoreParts,
): AsyncGenerator<Uint8Array, void, undefined> {
  throwIfAborted(options.signal, `export of ${image.reference}`);
  yield* writeTar(archiveEntries(image, options, parts), options.signal && { signal: options.signal });
}

function archiveEntries(
  image: Image,
  { format, signal }: ExportOptions,
  { blobs }: StoreParts,
): AsyncIterable<TarInput> {
  switch (format) {
    case 'docker-archive':
      return dockerArchiveEntries(image, blobs, signal);
    case 'oci-archive':
      return ociArchiveEntries(image, blobs);
    default:
      throw new GantryError(
        'INVALID_ARGUMENT',
        `export of ${image.reference}: unknown format ${JSON.stringify(format)}`,
        {
          details: { field: 'format' },
        },
      );
  }
}
