import type { TestRegistry } from '@gantry/testkit';
import type { TestImage } from './test-image.js';

/** Puts an image into a registry of the testkit. Resolves with its reference. */
export async function serveImage(registry: TestRegistry, repository: string, image: TestImage): Promise<string> {
  for (const bytes of image.blobs.values()) await registry.addBlob(repository, bytes);
  for (const { descriptor, bytes } of image.manifests) {
    await registry.addManifest(repository, '1', descriptor.mediaType, bytes);
  }
  return `${registry.address}/${repository}:1`;
}

/** How often each blob was asked for with GET. */
export function blobRequests(registry: TestRegistry): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { method, path } of registry.requests) {
    const digest = /\/blobs\/(?<digest>sha[0-9]+:[0-9a-f]+)$/.exec(path)?.groups?.['digest'];
    if (method === 'GET' && digest !== undefined) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  }
  return counts;
}
