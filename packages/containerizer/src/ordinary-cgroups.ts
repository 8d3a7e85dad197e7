import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout } from '@gantry/interface';

/** Why this program cannot make control groups for its containers; undefined if it can. */
export function groupsObstacle(
  { version, mounts }: CgroupLayout,
  parent: string | undefined,
): { readonly problem: string; readonly remedy: string } | undefined {
  if (process.geteuid?.() === 0) return undefined;
  const remedy =
    'give createContainerizer a cgroupParent that was delegated to the user (on cgroup v2, a unit of systemd with Delegate=yes), or run the host program as root';
  if (parent === undefined) return { problem: 'an ordinary user has no control groups', remedy };
  const folders = [...mounts.values()].map((mount) => join(mount, parent));
  const files = version === 'v2' ? ['', 'cgroup.procs', 'cgroup.subtree_control'] : [''];
  const shut = folders.flatMap((folder) => files.map((file) => join(folder, file))).find((path) => !isWritable(path));
  return shut === undefined ? undefined : { problem: `${shut} cannot be written by this user`, remedy };
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
