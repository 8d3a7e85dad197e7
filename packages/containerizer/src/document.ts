import {
  type CallOptions,
  type Image,
  type ImageStore,
  type LaunchRequest,
  type PrepareContext,
  type Rootfs,
  type RootfsSource,
  throwIfAborted,
} from '@gantry/interface';
import { mergeEdits, type NamedEdits } from './merge.js';
import type { ContainerizerParts } from './parts.js';
import { type CheckedSpec, withoutCredentials } from './spec.js';

/** The image, if there is one, and what the root is made of. */
export interface ResolvedSource {
  readonly image?: Image;
  readonly source: RootfsSource;
}

/** Where the root of a spec comes from once its image is in the store. */
export async function resolveSource(
  spec: CheckedSpec,
  image: Image | undefined,
  store: ImageStore,
  options: CallOptions,
): Promise<ResolvedSource> {
  if (image) return { image, source: { image: await store.unpack(image, options) } };
  return { source: { directory: spec.rootfs ?? '/' } };
}

export function prepareContext(
  parts: ContainerizerParts,
  spec: CheckedSpec,
  image: Image | undefined,
  rootfs: Rootfs,
): PrepareContext {
  return {
    id: spec.id,
    spec: withoutCredentials(spec),
    ...(image ? { image: image.config } : {}),
    rootfs,
    cgroupPath: `${parts.cgroupParent}/${spec.id}`,
  };
}

/** Asks every isolator for its edits and merges them into what the launcher is given. Changes nothing on the host. */
export async function composeRequest(
  parts: ContainerizerParts,
  context: PrepareContext,
  stateDir: string,
  options: CallOptions,
): Promise<LaunchRequest> {
  const all: NamedEdits[] = [];
  for (const isolator of parts.isolators) {
    throwIfAborted(options.signal, `preparing container ${context.id}`);
    all.push({ isolator: isolator.name, edits: await isolator.edits(context, options) });
  }
  const merged = mergeEdits(all, { rootfs: context.rootfs.path, cgroupPath: context.cgroupPath });
  return {
    id: context.id,
    config: merged.config,
    rootfs: context.rootfs.mount,
    cgroups: merged.cgroups,
    cgroupVersion: parts.cgroups.version,
    clampedRlimits: merged.clampedRlimits,
    stateDir,
  };
}
