import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CgroupLayout, HostAbility } from '@gantry/interface';
import type { Obstacle } from '@gantry/native';

/** Of cgroup v1; the last two are mounted beside a v2 tree, too. */
const subsystems = [
  ...['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'hugetlb', 'perf_event'],
  ...['net_cls', 'net_prio'],
];

/** Whether containers can have groups of each controller: by making one and removing it, where its tree is. */
export function probeControlGroups(
  { version, mounts, unified = [] }: CgroupLayout,
  parent: string | undefined,
  obstacle: Obstacle | undefined,
): HostAbility[] {
  const able = (controller: string, mount: string): HostAbility =>
    obstacle
      ? { name: `cgroup ${controller}`, works: false, reason: obstacle.problem, remedy: obstacle.remedy }
      : groupAbility(controller, mount, parent);
  const ofV1 = (controller: string): HostAbility => {
    const mount = mounts.get(controller) ?? (unified.includes(controller) ? mounts.get('unified') : undefined);
    return mount === undefined ? notMounted(controller) : able(controller, mount);
  };
  const tree = existsSync('/sys/fs/cgroup/unified/cgroup.controllers') ? 'hybrid' : version;
  const found: HostAbility[] = [{ name: 'control groups', works: true, detail: tree }];
  if (version === 'v1') return [...found, ...subsystems.map(ofV1)];
  const mount = mounts.get('unified') ?? '/sys/fs/cgroup';
  const folder = placeOfTrial(mount, parent);
  const available = words(join(folder, 'cgroup.controllers'));
  const writable = able('unified', mount);
  for (const controller of ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb']) {
    if (available.includes(controller)) found.push({ ...writable, name: `cgroup ${controller}` });
    else {
      const reason = `${folder} does not have the controller ${controller}`;
      found.push({
        name: `cgroup ${controller}`,
        works: false,
        reason,
        remedy: `add it to cgroup.subtree_control of the groups above`,
      });
    }
  }
  return [...found, ...subsystems.slice(-2).map(ofV1)];
}

function notMounted(controller: string): HostAbility {
  const place = `/sys/fs/cgroup/${controller}`;
  const known = words('/proc/cgroups').includes(controller);
  return {
    name: `cgroup ${controller}`,
    works: false,
    reason: known ? 'its hierarchy of cgroup v1 is not mounted' : 'the kernel has it not for cgroup v1',
    remedy: known
      ? `have root mount it: mkdir -p ${place}; mount -t cgroup -o ${controller} cgroup ${place}`
      : 'use a kernel that is built with it',
  };
}

/** The parent of containers' groups, or what it would be made in. */
function placeOfTrial(mount: string, parent: string | undefined): string {
  if (parent === undefined) return mount;
  const folder = join(mount, parent);
  return existsSync(folder) ? folder : dirname(folder);
}

/** Makes a group, and removes it. */
function groupAbility(controller: string, mount: string, parent: string | undefined): HostAbility {
  const name = `cgroup ${controller}`;
  const trial = join(placeOfTrial(mount, parent), `gantry-probe-${process.pid}`);
  try {
    mkdirSync(trial);
    rmdirSync(trial);
    return { name, works: true, detail: mount };
  } catch (error) {
    const reason = `${trial} cannot be made (${String((error as NodeJS.ErrnoException).code)})`;
    const remedy =
      process.geteuid?.() === 0
        ? 'mount the hierarchy for writing'
        : 'give createContainerizer a cgroupParent that was delegated to the user, or run the host program as root';
    return { name, works: false, reason, remedy };
  }
}

/** Of a file that may not be there. */
function words(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').trim().split(/\s+/);
  } catch {
    return [];
  }
}
