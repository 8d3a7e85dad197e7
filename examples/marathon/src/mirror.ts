import type { ImageReference, RegistryClient } from '@gantry/interface';

/** A registry client that asks the registry at `address` for whatever is referred to as being at `name`. */
export function withMirror(client: RegistryClient, name: string, address: string): RegistryClient {
  const at = (reference: ImageReference): ImageReference =>
    reference.registry === name ? { ...reference, registry: address } : reference;
  return {
    ping: (registry, options) => client.ping(registry === name ? address : registry, options),
    getManifest: (reference, options) => client.getManifest(at(reference), options),
    getBlob: (repository, descriptor, options) => client.getBlob(at(repository), descriptor, options),
    hasBlob: (repository, digest, options) => client.hasBlob(at(repository), digest, options),
    putBlob: (repository, descriptor, content, options) => client.putBlob(at(repository), descriptor, content, options),
    putManifest: (reference, manifest, options) => client.putManifest(at(reference), manifest, options),
  };
}
