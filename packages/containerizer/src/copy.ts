import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type CopyRoot, copyIn, copyOut } from '@gantry/archive';
import { type CallOptions, errnoOf, GantryError, type ProcessIdentity, toGantryError } from '@gantry/interface';
import { isProcessAlive, readBootId } from './owner.js';

/** Unpacks an archive into a folder of what a running process has as its root; as `Containerizer.copyIn`. */
export async function copyInto(
  process: ProcessIdentity,
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  { signal }: CallOptions,
  hasUsers = false,
): Promise<void> {
  const pinned = await pin(process, hasUsers);
  try {
    await copyIn({ tree: treeOf(pinned, hasUsers), folder, archive, ...(signal ? { signal } : {}) });
  } finally {
    await pinned.close();
  }
}

/** Packs a file or tree out of what a running process has as its root; as `Containerizer.copyOut`. */
export async function* copyFrom(
  process: ProcessIdentity,
  path: string,
  { signal }: CallOptions,
  hasUsers = false,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pinned = await pin(process, hasUsers);
  try {
    yield* copyOut({ tree: treeOf(pinned, hasUsers), path, ...(signal ? { signal } : {}) });
  } finally {
    await pinned.close();
  }
}

/**
 * Opens the root of that process and no other's, or all that /proc has of it: a container with users of its own is copied into by the
 * privileges and ids of its user namespace. `WRONG_STATE` if it has ended.
 */
async function pin({ pid, startTime, bootId }: ProcessIdentity, hasUsers: boolean): Promise<FileHandle> {
  let opened: FileHandle | undefined;
  try {
    opened = await open(hasUsers ? `/proc/${pid}` : `/proc/${pid}/root`, constants.O_RDONLY | constants.O_DIRECTORY);
    // Asked last: a process that has this pid still had it when that was opened.
    if (bootId === readBootId() && isProcessAlive(pid, startTime)) return opened;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ESRCH') throw toGantryError(error, `opening the root of process ${pid}`);
  }
  await opened?.close();
  throw new GantryError('WRONG_STATE', `process ${pid}, whose root was to be opened, has ended`, { details: { pid } });
}

/** By a path that any thread of this program can open while the descriptor is open. */
function treeOf({ fd }: FileHandle, hasUsers: boolean): CopyRoot {
  return hasUsers ? { member: fd } : { root: `/proc/self/fd/${fd}/.` };
}
