import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { copyIn, copyOut } from '@gantry/archive';
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
  const root = await pinRoot(process);
  try {
    await copyIn({ ...placeOf(root, process, hasUsers), folder, archive, ...(signal ? { signal } : {}) });
  } finally {
    await root.close();
  }
}

/** Packs a file or tree out of what a running process has as its root; as `Containerizer.copyOut`. */
export async function* copyFrom(
  process: ProcessIdentity,
  path: string,
  { signal }: CallOptions,
  hasUsers = false,
): AsyncGenerator<Uint8Array, void, undefined> {
  const root = await pinRoot(process);
  try {
    yield* copyOut({ ...placeOf(root, process, hasUsers), path, ...(signal ? { signal } : {}) });
  } finally {
    await root.close();
  }
}

/** Opens the root of that process and no other's. `WRONG_STATE` if it has ended. */
async function pinRoot({ pid, startTime, bootId }: ProcessIdentity): Promise<FileHandle> {
  let root: FileHandle | undefined;
  try {
    root = await open(`/proc/${pid}/root`, constants.O_RDONLY | constants.O_DIRECTORY);
    // Asked last: a process that has this pid still had it when the root was opened.
    if (bootId === readBootId() && isProcessAlive(pid, startTime)) return root;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ESRCH') throw toGantryError(error, `opening the root of process ${pid}`);
  }
  await root?.close();
  throw new GantryError('WRONG_STATE', `process ${pid}, whose root was to be opened, has ended`, { details: { pid } });
}

/** For a container with users of its own, by the privileges and ids of its user namespace. */
function placeOf(root: FileHandle, { pid }: ProcessIdentity, hasUsers: boolean) {
  return hasUsers ? { root: `/proc/${pid}/root/.`, users: pid } : { root: pathOf(root) };
}

/** A path that any thread of this program can open while the descriptor is open. */
function pathOf(root: FileHandle): string {
  return `/proc/self/fd/${root.fd}/.`;
}
