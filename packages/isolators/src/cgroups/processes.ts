import { join } from 'node:path';
import { errnoOf, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { childGroups } from './folders.js';
import { readIfThere } from './text-files.js';

const sigkill = 9;

/** How many processes are held by descriptors at once. */
const batchSize = 256;

/** The processes in a control group and all below it, in this process's own pid namespace. */
export async function pidsBelow(folder: string): Promise<number[]> {
  const [procs, children] = await Promise.all([readIfThere(join(folder, 'cgroup.procs')), childGroups(folder)]);
  const below = await Promise.all(children.map((child) => pidsBelow(join(folder, child))));
  // 0 stands for a process that this pid namespace does not show.
  const own = (procs ?? '').split('\n').map(Number);
  return [...own, ...below.flat()].filter((pid) => pid > 0 && pid !== process.pid);
}

/**
 * Sends SIGKILL to every process in a control group and below it, and to no other: each is first held by a
 * descriptor, and killed only if it is still listed then, so that it cannot be a later one of the same id.
 */
export async function killProcesses(folder: string): Promise<void> {
  const pids = await pidsBelow(folder);
  for (let start = 0; start < pids.length; start += batchSize) {
    await killBatch(folder, pids.slice(start, start + batchSize));
  }
}

async function killBatch(folder: string, pids: readonly number[]): Promise<void> {
  const native = addon();
  const held = new Map<number, number>();
  try {
    for (const pid of pids) {
      const pidfd = unlessGone(() => native.pidfdOpen(pid));
      if (pidfd !== undefined) held.set(pid, pidfd);
    }
    const listed = new Set(await pidsBelow(folder));
    for (const [pid, pidfd] of held) {
      if (listed.has(pid)) unlessGone(() => native.pidfdSendSignal(pidfd, sigkill));
    }
  } catch (error) {
    throw toGantryError(error, `killing the processes in ${folder}`);
  } finally {
    for (const pidfd of held.values()) native.closeFd(pidfd);
  }
}

function unlessGone<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}
