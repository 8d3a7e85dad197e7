import {
  type CallOptions,
  type ContainerSpec,
  type Image,
  type LaunchRequest,
  type OciSpec,
  type PrepareContext,
  type Rootfs,
  type RootfsSource,
  type SharedNamespace,
  throwIfAborted,
  type UnpackedImage,
} from '@gantry/interface';
import { ownIdMapper } from '@gantry/isolators';
import type { Container } from './container.js';
import { mergeEdits, type NamedEdits } from './merge.js';
import type { ContainerizerParts } from './parts.js';
import { type CheckedSpec, withoutCredentials } from './spec.js';
import { refuseUnserved } from './unserved.js';

/** What the mounts of type `image` of a spec are made of, by their targets. */
export type VolumeImages = ReadonlyMap<string, UnpackedImage>;

/** The image, if there is one, and what the root is made of. */
export interface ResolvedSource {
  readonly image?: Image;
  readonly source: RootfsSource;
}

/** Where the root of a spec comes from once its image is in the store. */
export async function resolveSource(
  spec: CheckedSpec,
  image: Image | undefined,
  { store, sandboxRoot }: Pick<ContainerizerParts, 'store' | 'sandboxRoot'>,
  options: CallOptions,
): Promise<ResolvedSource> {
  if (image) return { image, source: { image: await store.unpack(image, options) } };
  return { source: { directory: spec.rootfs ?? sandboxRoot } };
}

/** What nested containers have in common with their parent unless they say. */
const defaultShare: readonly SharedNamespace[] = ['network', 'ipc', 'uts'];

export function prepareContext(
  parts: ContainerizerParts,
  spec: CheckedSpec,
  image: Image | undefined,
  rootfs: Rootfs,
  ancestors: readonly Container[],
  images?: VolumeImages,
): PrepareContext {
  const parent = parentOf(spec, ancestors);
  return {
    id: spec.id,
    spec: withoutCredentials(spec),
    ...(image ? { image: image.config } : {}),
    ...(images ? { images } : {}),
    rootfs,
    cgroupPath: `${parts.cgroupParent}/${spec.id}`,
    ...(parent ? { parent } : {}),
  };
}

/** What a nested container has in common with the nearest of its ancestors, and that one with the next. */
function parentOf(spec: ContainerSpec, [nearest, ...others]: readonly Container[]): PrepareContext['parent'] {
  if (!nearest) return undefined;
  const { process } = nearest.alive('nesting a container in');
  const parent = parentOf(nearest.spec, others);
  return { process, spec: nearest.spec, share: new Set(spec.share ?? defaultShare), ...(parent ? { parent } : {}) };
}

/** Asks every isolator for its edits and merges them into what the launcher is given. Changes nothing on the host. */
export async function composeRequest(
  parts: ContainerizerParts,
  context: PrepareContext,
  stateDir: string,
  options: CallOptions,
): Promise<LaunchRequest> {
  refuseUnserved(context.spec, parts.isolators);
  const all: NamedEdits[] = [];
  for (const isolator of parts.isolators) {
    throwIfAborted(options.signal, `preparing container ${context.id}`);
    all.push({ isolator: isolator.name, edits: await isolator.edits(context, options) });
  }
  const merged = mergeEdits(all, { rootfs: context.rootfs.path, cgroupPath: context.cgroupPath });
  const { spec, parent } = context;
  const unified = parts.cgroups.mounts.get('unified');
  return {
    id: context.id,
    config: withTerminal(merged.config, spec.tty),
    rootfs: context.rootfs.mount,
    cgroups: merged.cgroups,
    cgroupVersion: parts.cgroups.version,
    ...(unified === undefined ? {} : { cgroupTree: unified }),
    clampedRlimits: merged.clampedRlimits,
    ...(merged.landlock ? { landlock: merged.landlock } : {}),
    ...(merged.secretEnv ? { secretEnv: merged.secretEnv } : {}),
    ...(merged.secretFiles ? { secretFiles: merged.secretFiles } : {}),
    stateDir,
    ...(merged.config.linux.uidMappings ? { idMapper: ownIdMapper() } : {}),
    ...(spec.stdin === undefined ? {} : { stdin: spec.stdin }),
    ...(spec.log ? { log: spec.log } : {}),
    first: spec.sandbox ? 'sandbox' : spec.init ? 'init' : 'program',
    ...(parent ? { parent: parent.process } : {}),
  };
}

/** The document with a terminal, or none, for its process. */
export function withTerminal(config: OciSpec, tty: ContainerSpec['tty']): OciSpec {
  const { consoleSize: _, ...process } = config.process;
  const size = typeof tty === 'object' ? { consoleSize: { height: tty.rows, width: tty.columns } } : {};
  return { ...config, process: { ...process, terminal: tty !== undefined && tty !== false, ...size } };
}
