import { readFile } from 'node:fs/promises';
import { type CgroupLayout, GantryError, toGantryError } from '@gantry/interface';
import { type CgroupMount, parseCgroupMounts } from './mountinfo.js';

/** Controllers without which a v2 tree cannot limit a container. */
const needed = ['cpu', 'memory', 'pids'];

/**
 * Finds the control groups of this host from its mounts at or below `root`. A hybrid host, with v1 hierarchies and a v2 tree, counts
 * as v1 if that lacks cpu, memory or pids; every controller is used where it is. `UNSUPPORTED` if no control groups are mounted.
 */
export async function detectCgroups(root = '/sys/fs/cgroup'): Promise<CgroupLayout> {
  try {
    const mounts = parseCgroupMounts(await readFile('/proc/self/mountinfo', 'utf8'), root);
    const unified = mounts.find((mount) => mount.version === 'v2');
    const offered = unified ? await readFile(`${unified.path}/cgroup.controllers`, 'utf8') : '';
    return chooseLayout(mounts, offered.trim().split(' '), root);
  } catch (error) {
    throw toGantryError(error, 'looking for the control groups of this host');
  }
}

/** The layout for a set of mounts, given the controllers that the v2 tree, if there is one, offers. */
export function chooseLayout(mounts: readonly CgroupMount[], offered: readonly string[], root: string): CgroupLayout {
  const tree = mounts.find((mount) => mount.version === 'v2');
  const unified = tree ? offered.filter((controller) => controller !== '') : [];
  const chosen = new Map<string, string>();
  for (const { path, controllers } of mounts) {
    for (const controller of controllers) {
      if (!chosen.has(controller)) chosen.set(controller, path);
    }
  }
  // Without v1 hierarchies it is v2 whatever it offers: what lacks is then refused by the isolator that needs it.
  const version = tree && (chosen.size === 0 || needed.every((name) => unified.includes(name))) ? 'v2' : 'v1';
  if (version === 'v2') for (const name of unified) chosen.delete(name === 'io' ? 'blkio' : name);
  if (tree) chosen.set('unified', tree.path);
  if (chosen.size === 0 || (version === 'v1' && [...chosen.keys()].every((name) => name === 'unified'))) {
    throw new GantryError(
      'UNSUPPORTED',
      `no control groups are mounted below ${root}: mount them, e.g. with 'mount -t cgroup2 cgroup2 ${root}'`,
      { details: { path: root } },
    );
  }
  return { version, mounts: chosen, ...(tree ? { unified } : {}) };
}
