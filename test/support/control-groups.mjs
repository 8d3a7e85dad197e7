import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.mjs';

/**
 * Removes a control group and all below it. A group is in use until all of its processes are reaped, which is waited for, for
 * ten seconds.
 *
 * @param {string} group
 */
export async function removeGroup(group) {
  await eventually(async () => isRemoved(group), Boolean);
}

/** @param {string} group */
function isRemoved(group) {
  if (!existsSync(group)) return true;
  try {
    const folders = readdirSync(group, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { parentPath, name } of folders.toReversed()) rmdirSync(join(parentPath, name));
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}

/**
 * Removes the groups of that name below the roots of all trees.
 *
 * @param {string} name
 */
export async function removeGroups(name) {
  const root = '/sys/fs/cgroup';
  for (const tree of ['.', ...readdirSync(root)]) await removeGroup(join(root, tree, name));
}
