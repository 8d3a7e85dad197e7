import { parseReference } from '@gantry/image-spec';
import type { CallOptions, Digest, ImageReference, RegistryClient } from '@gantry/interface';
import type { BuiltImage } from './built-image.js';

/** Pushes the layers, the config and then the manifest. Resolves with the manifest's digest. Fails as the client does. */
export async function pushImage(
  image: BuiltImage,
  client: RegistryClient,
  reference: string | ImageReference,
  options: CallOptions = {},
): Promise<Digest> {
  const target = typeof reference === 'string' ? parseReference(reference) : reference;
  for (const descriptor of [...image.layers.map((layer) => layer.descriptor), image.config]) {
    await client.putBlob(target, descriptor, image.read(descriptor), options);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of image.read(image.manifest)) chunks.push(chunk);
  return client.putManifest(target, { descriptor: image.manifest, bytes: Buffer.concat(chunks) }, options);
}
