import type { TarInput } from '@gantry/archive';
import { digestAlgorithm } from '@gantry/image-spec';
import type { ImageLayer } from '@gantry/interface';
import { digestMismatch } from '../blob-errors.js';
import type { BlobStore } from '../blob-store.js';
import { inflate } from '../import/inflate.js';
import { measure } from '../import/measure.js';

/**
 * Size and content of a layer without its compression. An archive tells the size before the content, so a compressed
 * layer is read twice: cheaper than to keep it on the disk, and what is damaged is found out before any of it has gone out.
 */
export async function uncompressedLayer(
  { descriptor, diffId }: ImageLayer,
  blobs: BlobStore,
  signal: AbortSignal | undefined,
): Promise<Required<Pick<TarInput, 'size' | 'body'>>> {
  const what = `layer ${descriptor.digest}`;
  const content = () => inflate(what, blobs.stream(descriptor.digest), descriptor.size);
  if (descriptor.digest === diffId) return { size: descriptor.size, body: content() };
  const { digest, size } = await measure(what, content(), digestAlgorithm(diffId), signal);
  if (digest !== diffId) throw digestMismatch(diffId, digest);
  return { size, body: content() };
}
