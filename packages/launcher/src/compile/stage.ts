import { posix } from 'node:path';
import type { LaunchRequest, OciNamespaceType } from '@gantry/interface';
import type {
  BindStep,
  BringStep,
  DeviceStep,
  MaskStep,
  MountStep,
  ReadonlyPathStep,
  Step,
  SymlinkStep,
} from '../protocol.generated.js';
import type { CompiledMounts } from './mounts.js';
import type { CompiledNamespaces } from './namespaces.js';

/** Where every container has what is the kernel's, so that it can be mounted before its own root is known. */
const tops = ['/proc', '/dev', '/sys'];

/** File systems that need nothing of the host's but the namespaces that the process was cloned into. */
const alike: ReadonlySet<string> = new Set(['proc', 'sysfs', 'tmpfs', 'devpts', 'mqueue']);

const MS_PRIVATE = 0x40000;

const known: ReadonlySet<OciNamespaceType> = new Set(['mount', 'cgroup', 'uts', 'ipc', 'pid', 'network']);

export interface Placed {
  readonly mounts: readonly Step[];
  readonly devices: readonly (DeviceStep | SymlinkStep)[];
  readonly protections: readonly (ReadonlyPathStep | MaskStep)[];
}

/** What can be done before the container's root is there, and what cannot. */
export interface Stage {
  readonly ahead: Placed;
  /** What takes it to the root. */
  readonly bring: readonly BringStep[];
  readonly later: Placed;
}

/**
 * Parts what a document puts into the root. Undefined where something of its own is mounted over or below what all containers have, or
 * namespaces are not its own: the order in which it asks for things is then the order in which they are done. So it is, too, where a hook
 * has to find the root among what the host has.
 */
export function compileStage(
  { cgroupVersion, parent, config }: LaunchRequest,
  namespaces: CompiledNamespaces,
  { early, propagation }: CompiledMounts,
  { mounts: all, devices, protections }: Placed,
): Stage | undefined {
  const isOwn = [...namespaces.types].every((type) => known.has(type)) && namespaces.joins.length === 0;
  if (config.hooks?.createContainer?.length) return undefined;
  if (cgroupVersion !== 'v1' || parent || !isOwn || (propagation.flags & MS_PRIVATE) === 0) return undefined;
  const mounts = all.filter(isPlain);
  if (early.length > 0 || mounts.length < all.length) return undefined;
  const paths = [...mounts.map(({ target }) => target), ...[...devices, ...protections].map(({ path }) => path)];
  if (paths.some((path) => path === '/' || posix.normalize(path) !== path)) return undefined;

  const mounted = new Set<string>();
  for (const step of mounts.filter(({ target }) => topOf(target))) {
    const { target } = step;
    const isAlike = step.op === 'mount' && alike.has(step.type) && !mounted.has(target);
    if (!isAlike || !(tops.includes(target) || mounted.has(topOf(target) ?? ''))) return undefined;
    mounted.add(target);
  }
  if (mounted.size === 0) return undefined;
  const isAhead = (path: string) => mounted.has(topOf(path) ?? '');
  const placed = (wanted: boolean): Placed => ({
    mounts: mounts.filter(({ target }) => isAhead(target) === wanted),
    devices: devices.filter(({ path }) => isAhead(path) === wanted),
    protections: protections.filter(({ path }) => isAhead(path) === wanted),
  });
  const bring = tops
    .filter((top) => mounted.has(top))
    .map((path) => ({ op: 'bring', path, links: path === '/dev' ? 1 : 0 }) as const);
  return { ahead: placed(true), bring, later: placed(false) };
}

/** Whether a mount needs nothing that is said elsewhere. */
function isPlain(step: Step): step is MountStep | BindStep {
  return step.op === 'mount' || (step.op === 'bind' && step.source !== '' && step.idmap === 0);
}

function topOf(path: string): string | undefined {
  return tops.find((top) => path === top || path.startsWith(`${top}/`));
}
