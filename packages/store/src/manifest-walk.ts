import { choosePlatform, type ImageManifest, MediaType, parseManifest } from '@gantry/image-spec';
import { type Descriptor, GantryError, type Image, type Platform } from '@gantry/interface';

/** An index that names an index is rare, and more than this is an attack. */
export const maxIndexDepth = 4;

/** A platform's manifest, and the indexes on the way to it, outermost first. */
export interface FoundManifest {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly indexes: readonly Descriptor[];
}

/**
 * Goes from what a reference stands for to the manifest of one platform. `load` gives the bytes of a descriptor, or
 * undefined where it has none; then the walk has no result either.
 */
export async function findManifest(
  top: Descriptor,
  platform: Platform,
  load: (descriptor: Descriptor) => Promise<Uint8Array | undefined>,
): Promise<FoundManifest | undefined> {
  const indexes: Descriptor[] = [];
  let descriptor = top;
  while (indexes.length <= maxIndexDepth) {
    const bytes = await load(descriptor);
    if (!bytes) return undefined;
    const parsed = parseManifest(bytes, descriptor.mediaType);
    if (parsed.kind === 'manifest') return { descriptor, manifest: parsed.manifest, indexes };
    indexes.push(descriptor);
    const { mediaType, digest, size } = choosePlatform(parsed.index, platform);
    descriptor = { mediaType, digest, size };
  }
  throw new GantryError(
    'LIMIT_EXCEEDED',
    `index ${top.digest}: indexes inside indexes more than ${maxIndexDepth} deep`,
    {
      details: { digest: top.digest },
    },
  );
}

/**
 * A reference that stands for one manifest leaves no choice, so a platform that was asked for is held against the
 * config. `NO_PLATFORM` if the image is for another.
 */
export function requirePlatform(image: Image, platform: Platform): void {
  const only = { ...image.manifest, platform: image.config.platform };
  choosePlatform({ mediaType: MediaType.ociIndex, manifests: [only], annotations: new Map(), raw: {} }, platform);
}
