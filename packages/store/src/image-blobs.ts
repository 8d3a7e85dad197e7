import type { Descriptor, Image } from '@gantry/interface';

/** The blobs without which an image is not whole. */
export function blobsOf(image: Image): readonly Descriptor[] {
  return [image.manifest, image.configDescriptor, ...image.layers.map((layer) => layer.descriptor)];
}
