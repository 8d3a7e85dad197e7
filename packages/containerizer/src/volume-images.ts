import { type CallOptions, GantryError, type Image, type PullPolicy, type UnpackedImage } from '@gantry/interface';
import type { VolumeImages } from './document.js';
import type { ContainerizerParts } from './parts.js';
import type { CheckedSpec } from './spec.js';

/** The images of a spec's mounts, pulled unless they are in the store. Undefined if it has none. */
export async function pullVolumeImages(
  spec: CheckedSpec,
  { store }: Pick<ContainerizerParts, 'store'>,
  options: CallOptions,
): Promise<VolumeImages | undefined> {
  return collect(spec, async ({ image, pull }) => {
    const present = asksRegistry(pull) ? undefined : await store.get(image, pull);
    const pulled = present ?? (await store.pull(image, { ...pull, ...options, unpack: true }));
    return store.unpack(pulled, options);
  });
}

/** Whether what is in the store is not enough. */
export function asksRegistry(pull: PullPolicy | undefined): boolean {
  return pull?.force === true || pull?.checkAccess === true;
}

/** As `pullVolumeImages`, of what is in the store; `NOT_FOUND` for what is not. */
export async function storedVolumeImages(
  spec: CheckedSpec,
  { store }: Pick<ContainerizerParts, 'store'>,
  options: CallOptions,
): Promise<VolumeImages | undefined> {
  return collect(spec, async ({ image, pull }) => {
    const present = await store.get(image, pull);
    if (present) return store.unpack(present, options);
    throw new GantryError('NOT_FOUND', `image ${image} is not in the store: pull it first`, { details: { image } });
  });
}

/** What a container's lease is to hold. */
export function leasedImages(image: Image | undefined, volumes: VolumeImages | undefined): readonly Image[] {
  return [...(image ? [image] : []), ...(volumes?.values() ?? [])];
}

async function collect(
  spec: CheckedSpec,
  unpacked: (mount: Extract<NonNullable<CheckedSpec['mounts']>[number], { type: 'image' }>) => Promise<UnpackedImage>,
): Promise<VolumeImages | undefined> {
  const mounts = (spec.mounts ?? []).filter((mount) => mount.type === 'image');
  if (mounts.length === 0) return undefined;
  return new Map(await Promise.all(mounts.map(async (mount) => [mount.target, await unpacked(mount)] as const)));
}
