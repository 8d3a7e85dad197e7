import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CgroupLayout } from '@gantry/interface';

/** What stands in the way of something, and what to do about it. */
export interface Obstacle {
  readonly problem: string;
  readonly remedy: string;
}

const remedy =
  'give createContainerizer a cgroupParent below a control group that was delegated to the user and in which the host program runs (on cgroup v2, a unit of systemd with Delegate=yes), or run the host program as root';

/**
 * Why this program cannot make control groups for its containers; undefined if it can. On v2 the kernel moves a process, as it does one
 * that is cloned into a group, only for who may write to `cgroup.procs` of the nearest group above both. Kernel documentation,
 * admin-guide/cgroup-v2, "Delegation Containment".
 */
export function groupsObstacle({ version, mounts }: CgroupLayout, parent: string | undefined): Obstacle | undefined {
  if (process.geteuid?.() === 0) return undefined;
  if (parent === undefined) return { problem: 'an ordinary user has no control groups', remedy };
  const mount = mounts.get('unified');
  const needed =
    version === 'v2' && mount !== undefined
      ? neededOnV2(mount, parent, ownGroup())
      : [...mounts.values()].map((one) => firstToChange(join(one, parent)));
  const shut = needed.find((path) => !isWritable(path));
  return shut === undefined ? undefined : { problem: `${shut} cannot be written by this user`, remedy };
}

function neededOnV2(mount: string, parent: string, own: string): string[] {
  const first = firstToChange(join(mount, parent));
  return [
    first,
    join(first, 'cgroup.subtree_control'),
    ...(first === join(mount, parent) ? [join(first, 'cgroup.procs')] : []),
    join(mount, commonPath(own, parent), 'cgroup.procs'),
  ];
}

/** Of the group, which is made if it is not there, and the one above it. */
function firstToChange(folder: string): string {
  return existsSync(folder) ? folder : dirname(folder);
}

/** The path of the nearest group that both are in. */
export function commonPath(one: string, other: string): string {
  const [a, b] = [one, other].map((path) => path.split('/').filter((part) => part !== ''));
  const parts: string[] = [];
  for (const [index, part] of (a ?? []).entries()) {
    if (b?.[index] !== part) break;
    parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** On v2. cgroups(7). */
function ownGroup(): string {
  return /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'latin1'))?.[1] ?? '/';
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
