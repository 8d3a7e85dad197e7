import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';
import { childGroups } from './folders.js';
import { pidsBelow } from './processes.js';

const deadlineMs = 10_000;
const longestWaitMs = 50;

/**
 * Removes a control group and all below it. Right after an exit the kernel still holds the group for some
 * milliseconds, and a container without process ids of its own may leave processes behind: while the group is busy,
 * `kill` is called and the removal tried again, at growing intervals. `SYSTEM` with EBUSY if it stays busy.
 */
export async function removeGroup(folder: string, kill: (folder: string) => Promise<void>): Promise<void> {
  // Most isolators have none: to ask for that without the thread pool is ten times as quick.
  if (!existsSync(folder)) return;
  const deadline = performance.now() + deadlineMs;
  for (let waitMs = 1; !(await tryRemove(folder)); waitMs = Math.min(waitMs * 2, longestWaitMs)) {
    if (performance.now() > deadline) throw await stillBusy(folder);
    await kill(folder);
    await delay(waitMs);
  }
}

/** Removes a group and those below it, if nothing runs in them; false if something does. */
async function tryRemove(folder: string): Promise<boolean> {
  if (await removed(folder)) return true;
  const children = await childGroups(folder);
  if (children.length === 0) return false;
  const results = await Promise.all(children.map((child) => tryRemove(join(folder, child))));
  return results.every((gone) => gone) && removed(folder);
}

async function removed(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    // On a tree mounted read-only nothing can have been made: the kernel says so before it looks.
    if (errno === 'ENOENT' || (errno === 'EROFS' && !existsSync(folder))) return true;
    if (errno === 'EBUSY' || errno === 'ENOTEMPTY') return false;
    throw toGantryError(error, `removing the control group ${folder}`);
  }
}

async function stillBusy(folder: string): Promise<GantryError> {
  const pids = await pidsBelow(folder);
  const holders = pids.length === 0 ? 'the kernel still holds it' : `it holds the processes ${pids.slice(0, 10)}`;
  return new GantryError(
    'SYSTEM',
    `the control group ${folder} could not be removed within ${deadlineMs / 1000} s: ${holders}; ` +
      'they were sent SIGKILL and may be waiting for a device: try again later',
    { details: { syscall: 'rmdir', errno: 'EBUSY', path: folder, pids } },
  );
}
