import { join } from 'node:path';
import { errnoOf, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { childGroups } from './folders.js';
import { readIfThere } from './text-files.js';

/** The signal that nothing outlives. */
export const sigkill = 9;

/** How many processes are held by descriptors at once. */
const batchSize = 256;

/** For how long processes that start while others are signalled are gone after. */
const chaseMs = 1_000;

/**
 * The processes in a control group and all below it, in this process's own pid namespace. With `tasks`, which v1 has,
 * their threads.
 */
export async function pidsBelow(folder: string, file: 'cgroup.procs' | 'tasks' = 'cgroup.procs'): Promise<number[]> {
  const [procs, children] = await Promise.all([readIfThere(join(folder, file)), childGroups(folder)]);
  const below = await Promise.all(children.map((child) => pidsBelow(join(folder, child), file)));
  // 0 stands for a process that this pid namespace does not show.
  const own = (procs ?? '').split('\n').map(Number);
  return [...own, ...below.flat()].filter((pid) => pid > 0 && pid !== process.pid);
}

/** Sends SIGKILL, once, to the processes in a control group and below it. */
export async function killProcesses(folder: string): Promise<void> {
  await signalEach(folder, await pidsBelow(folder), sigkill);
}

/**
 * Sends a signal to every process in a control group and below it, once each, and to those that they start before it
 * reaches them. A container that goes on starting processes whatever it is sent is left after a second.
 */
export async function signalProcesses(folder: string, signal: number): Promise<void> {
  const signalled = new Set<number>();
  const deadline = performance.now() + chaseMs;
  do {
    const fresh = (await pidsBelow(folder)).filter((pid) => !signalled.has(pid));
    if (fresh.length === 0) return;
    await signalEach(folder, fresh, signal);
    for (const pid of fresh) signalled.add(pid);
  } while (performance.now() < deadline);
}

/**
 * Signals processes of a group, and no others: each is first held by a descriptor, and signalled only if it is still
 * listed then, so that it cannot be a later one of the same id.
 */
async function signalEach(folder: string, pids: readonly number[], signal: number): Promise<void> {
  for (let start = 0; start < pids.length; start += batchSize) {
    await signalBatch(folder, pids.slice(start, start + batchSize), signal);
  }
}

async function signalBatch(folder: string, pids: readonly number[], signal: number): Promise<void> {
  const native = addon();
  const held = new Map<number, number>();
  try {
    for (const pid of pids) {
      const pidfd = unlessGone(() => native.pidfdOpen(pid));
      if (pidfd !== undefined) held.set(pid, pidfd);
    }
    const listed = new Set(await pidsBelow(folder));
    for (const [pid, pidfd] of held) {
      if (listed.has(pid)) unlessGone(() => native.pidfdSendSignal(pidfd, signal));
    }
  } catch (error) {
    throw toGantryError(error, `signalling the processes in ${folder}`);
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
