import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';

/** An open log file. */
export interface LogFile {
  readonly handle: FileHandle;
  /** Names this file and no other, however it was renamed. */
  readonly id: string;
}

/** A log file by its path at the moment. */
export interface FoundFile {
  readonly path: string;
  readonly id: string;
}

/**
 * The files of the chain `name` in a state folder, newest first. `NOT_FOUND` if there is no state folder.
 *
 * Files move from `name` to `name.1`, `name.2` and so on while we look. Looking in that same direction may show a file
 * twice, but never misses one.
 */
export async function listNewestFirst(stateDir: string, name: string): Promise<readonly FoundFile[]> {
  const found: FoundFile[] = [];
  const highest = await highestNumber(stateDir, name);
  // Any number of rotations may push files on while we look. Within one, a single name at a time is nobody's.
  for (let number = 0, absent = 0; number <= highest || absent < 2; number++) {
    const path = join(stateDir, number === 0 ? name : `${name}.${number}`);
    const id = await idAt(path);
    absent = id === undefined ? absent + 1 : 0;
    if (id !== undefined && !found.some((other) => other.id === id)) found.push({ path, id });
  }
  return found;
}

/** Opens a file that was found; undefined if its path is another's by now. */
export async function openFound({ path, id }: FoundFile): Promise<LogFile | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    if (idOf(await handle.stat({ bigint: true })) === id) return { handle, id };
    await handle.close();
    return undefined;
  } catch (error) {
    await handle?.close();
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `opening the log ${path}`);
  }
}

async function highestNumber(stateDir: string, name: string): Promise<number> {
  let highest = 0;
  try {
    for (const entry of await readdir(stateDir)) {
      const number = entry.startsWith(`${name}.`) ? Number(entry.slice(name.length + 1)) : 0;
      if (Number.isSafeInteger(number) && number > highest) highest = number;
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw toGantryError(error, `listing ${stateDir}`);
    throw new GantryError('NOT_FOUND', `there is no state folder ${stateDir}`, { cause: error });
  }
  return highest;
}

async function idAt(path: string): Promise<string | undefined> {
  try {
    return idOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `looking at the log ${path}`);
  }
}

/** The number of an inode is given to a new file as soon as the old one is gone. */
function idOf({ ino, birthtimeNs }: { readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `${ino}-${birthtimeNs}`;
}
