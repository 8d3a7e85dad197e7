import { constants } from 'node:fs';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, toGantryError } from '@gantry/interface';
import { makeGroup } from '../folders.js';
import type { Patience } from '../freezing.js';
import { pidsBelow } from '../processes.js';
import { readIfThere } from '../text-files.js';

type State = 'FROZEN' | 'THAWED';

/**
 * Freezes the processes of the group `processes` by the group `freezer` of the freezer's hierarchy, which is made now and
 * stays: a container that is never frozen does without. Kernel documentation, admin-guide/cgroup-v1/freezer-subsystem.
 *
 * What is moved into a frozen group stops at once, and starts nothing any more, so the processes outside come to an end.
 */
export async function freezeByMoving(
  processes: string,
  freezer: string,
  isolator: string,
  patience: Patience,
): Promise<void> {
  makeGroup(freezer, isolator);
  const before = await stateOf(freezer);
  try {
    await writeState(freezer, 'FROZEN');
    const procs = await open(join(freezer, 'cgroup.procs'), constants.O_WRONLY);
    try {
      await moveAll(processes, freezer, procs, patience);
    } finally {
      await procs.close();
    }
    await patience.until(async () => (await stateOf(freezer)) === 'FROZEN');
  } catch (error) {
    if (before !== 'FROZEN') await writeState(freezer, 'THAWED');
    throw toGantryError(error, `freezing the processes in ${processes}`);
  }
}

/** Lets the processes in a group of the freezer's go on, if there is one. */
export async function thawGroup(freezer: string, patience: Patience): Promise<void> {
  if (!(await writeState(freezer, 'THAWED'))) return;
  await patience.until(async () => ['THAWED', undefined].includes(await stateOf(freezer)));
}

/** False if there is no such group. */
export async function writeState(freezer: string, state: State): Promise<boolean> {
  const file = join(freezer, 'freezer.state');
  try {
    await writeFile(file, state, { flag: constants.O_WRONLY });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return false;
    throw toGantryError(error, `writing ${state} to ${file}`);
  }
}

async function stateOf(freezer: string): Promise<string | undefined> {
  return (await readIfThere(join(freezer, 'freezer.state')))?.trim();
}

/** By threads: a process whose first thread has ended is listed among processes for ever, whereto it is moved or not. */
async function moveAll(from: string, to: string, procs: FileHandle, patience: Patience): Promise<void> {
  for (;;) {
    const inside = new Set(await pidsBelow(to, 'tasks'));
    const outside = (await pidsBelow(from, 'tasks')).filter((thread) => !inside.has(thread));
    if (outside.length === 0) return;
    for (const thread of outside) {
      patience.check();
      await moveProcess(thread, procs);
    }
  }
}

/** Moves the process of a thread, with all its threads. */
async function moveProcess(thread: number, procs: FileHandle): Promise<void> {
  try {
    await procs.write(String(thread));
  } catch (error) {
    // It has ended.
    if (errnoOf(error) !== 'ESRCH') throw toGantryError(error, `moving process ${thread} into the freezer`);
  }
}
