import { join } from 'node:path';
import { formatReference, parseReference } from '@gantry/image-spec';
import { type CallOptions, isGantryError, type PulledImage, type RegistryClient } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { pushImage, redisImage, startRegistry } from '@gantry/testkit';

/** A registry name that can never be one (RFC 2606): images made on the spot are kept under it, so none passes for Docker Hub's. */
const embedded = 'embedded.invalid';

/** Where the image is and whether anything was fetched for it. */
export interface FoundImage {
  readonly image: PulledImage;
  /** Words for people. */
  readonly origin: string;
}

export interface FindOptions extends CallOptions {
  readonly root: string;
  readonly force: boolean;
  readonly say: (line: string) => void;
}

/**
 * Brings the image into the store: from there if it is in it, else from its registry; where that cannot be reached,
 * from a registry in this process into which an image made from Debian's packages is pushed first. The way is the
 * same for both: manifest, config and layers over HTTP through the registry client.
 */
export async function findImage(name: string, options: FindOptions): Promise<FoundImage> {
  const { root, force, say, ...call } = options;
  const reference = formatReference(parseReference(name));
  const fallback = formatReference(parseReference(`${embedded}/${parseReference(name).repository}`));
  const client = createRegistryClient();
  const storeWith = (registry: RegistryClient) => createImageStore({ root: join(root, 'store'), registry });
  const store = storeWith(client);

  const present = force ? undefined : ((await store.get(reference)) ?? (await store.get(fallback)));
  if (present) return { image: { ...present, cached: true }, origin: `${present.reference}, found in the store` };
  try {
    return { image: await store.pull(reference, { ...call, force }), origin: reference };
  } catch (error) {
    if (!isGantryError(error, 'UNREACHABLE')) throw error;
    say(`${error.message}`);
    say(`using the embedded default: an image of ${name} made from Debian's packages`);
  }
  const built = await redisImage(call);
  await using registry = await startRegistry();
  const { repository } = parseReference(fallback);
  await pushImage(built, client, parseReference(`${registry.address}/${repository}`), call);
  const mirrors = new Map([[embedded, [{ url: `http://${registry.address}`, insecure: true }]]]);
  const image = await storeWith(createRegistryClient({ mirrors })).pull(fallback, { ...call, force });
  return { image, origin: `${fallback}, made here and pulled over http from ${registry.address}` };
}
