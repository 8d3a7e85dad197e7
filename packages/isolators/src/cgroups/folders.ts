import { mkdirSync } from 'node:fs';
import { readdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, toGantryError } from '@gantry/interface';
import { refused } from '../errors.js';

/** How often another host program that closes may take the parent away before we give up. */
const maxAttempts = 16;

/**
 * Makes the folder of a control group, and its parent, which another host program that closes may remove at any
 * moment. Returns false if the folder was there already. Synchronous for the reason that `applySettings` gives.
 */
export function makeGroup(folder: string, isolator: string): boolean {
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(folder, 0o755);
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EEXIST') return false;
      if (errno !== 'ENOENT' || attempt === maxAttempts) throw cannotMake(folder, error, isolator);
      makeParentOf(folder, isolator);
    }
  }
}

/** Makes the group above if it is not there; only if there is one above that, which nobody would remove. */
function makeParentOf(folder: string, isolator: string): void {
  try {
    mkdirSync(dirname(folder), 0o755);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw cannotMake(folder, error, isolator);
  }
}

function cannotMake(folder: string, cause: unknown, isolator: string): Error {
  const errno = errnoOf(cause);
  const remedies = new Map([
    [
      'ENOENT',
      `make ${dirname(dirname(folder))} first: only the last part of the control-group parent is made for you`,
    ],
    ['EACCES', 'run the host program as root'],
    ['EPERM', 'run the host program as root'],
    ['EROFS', 'mount the control groups read-write'],
    ['EAGAIN', 'raise cgroup.max.descendants or cgroup.max.depth of the groups above'],
    ['ENOMEM', 'remove control groups that nobody needs: the kernel has no room for another'],
    ['ENOSPC', 'remove control groups that nobody needs: the kernel has no room for another'],
  ]);
  return refused(
    isolator,
    `the control group ${folder} could not be made (${errno ?? String(cause)})`,
    remedies.get(errno ?? '') ?? 'see the cause',
    { cause, details: { path: folder, errno } },
  );
}

/** Removes the parent of containers' groups if it is empty. That it is not, is gone, or cannot change, is as good. */
export async function removeParentIfEmpty(parent: string): Promise<void> {
  try {
    await rmdir(parent);
  } catch (error) {
    const errno = errnoOf(error);
    // An ordinary user may be given a group, but not the one that it is in.
    if (!['EBUSY', 'ENOTEMPTY', 'ENOENT', 'EROFS', 'EACCES'].includes(errno ?? '')) {
      throw toGantryError(error, `removing the empty control group ${parent}`);
    }
  }
}

/** The names of the groups directly below one; none if it does not exist. */
export async function childGroups(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENODEV') return [];
    throw toGantryError(error, `listing the control groups below ${folder}`);
  }
}
