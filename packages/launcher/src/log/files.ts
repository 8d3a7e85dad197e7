import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';
import { stateFiles } from '../protocol.generated.js';

/** An open log file. While it is open its inode number names no other file. */
export interface LogFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

/**
 * The log file that comes after `current`, or the oldest one if there is none yet or `current` was rotated away;
 * undefined if `current` is the newest. `NOT_FOUND` if there is no state folder.
 *
 * Files move from `log` to `log.1`, `log.2` and so on while we look. Looking in that same direction may show a file
 * twice, but never misses one.
 */
export async function openNextLog(stateDir: string, current: LogFile | undefined): Promise<LogFile | undefined> {
  for (;;) {
    const inodes = await listNewestFirst(stateDir);
    const index = current ? inodes.findIndex(({ inode }) => inode === current.inode) : -1;
    const next = index < 0 ? inodes.at(-1) : inodes[index - 1];
    if (!next) return undefined;
    const file = await openLog(next.path);
    if (file?.inode === next.inode) return file;
    await file?.handle.close();
  }
}

interface NamedInode {
  readonly path: string;
  readonly inode: bigint;
}

async function listNewestFirst(stateDir: string): Promise<readonly NamedInode[]> {
  const found: NamedInode[] = [];
  const highest = await highestNumber(stateDir);
  // Any number of rotations may push files on while we look. Within one, a single name at a time is nobody's.
  for (let number = 0, absent = 0; number <= highest || absent < 2; number++) {
    const path = join(stateDir, number === 0 ? stateFiles.log : `${stateFiles.log}.${number}`);
    const inode = await inodeOf(path);
    absent = inode === undefined ? absent + 1 : 0;
    if (inode !== undefined && !found.some((other) => other.inode === inode)) found.push({ path, inode });
  }
  return found;
}

async function highestNumber(stateDir: string): Promise<number> {
  let highest = 0;
  try {
    for (const name of await readdir(stateDir)) {
      const number = name.startsWith(`${stateFiles.log}.`) ? Number(name.slice(stateFiles.log.length + 1)) : 0;
      if (Number.isSafeInteger(number) && number > highest) highest = number;
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw toGantryError(error, `listing ${stateDir}`);
    throw new GantryError('NOT_FOUND', `there is no state folder ${stateDir}`, { cause: error });
  }
  return highest;
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `looking at the log ${path}`);
  }
}

async function openLog(path: string): Promise<LogFile | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    return { handle, inode: (await handle.stat({ bigint: true })).ino };
  } catch (error) {
    await handle?.close();
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `opening the log ${path}`);
  }
}
