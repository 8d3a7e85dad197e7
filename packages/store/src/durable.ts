import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { ownedName } from './owned-name.js';

/** Makes a folder and its parents, for the owner alone; the parents' entries are on disk when it resolves. */
export async function ensureFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(first);
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    await syncFolder(folder);
    if (folder === top) return;
  }
}

/** Brings a folder's entries to the disk: a rename is durable only after this. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder as a file; its file systems order renames by themselves.
  if (process.platform === 'win32') return;
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file's content in one step: readers, and a machine that comes back after a power cut, see the old
 * content or the new, whole. The temporary file is made in `ingest`, which must be on the same file system.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, ingest: string): Promise<void> {
  const temporary = join(ingest, await ownedName());
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Opens a file for reading without following a link in its last component and without waiting on a FIFO. Undefined
 * if it is absent or is anything but a regular file: what we wrote is a regular file, so anything else is not ours.
 */
export async function openRegularFile(path: string) {
  try {
    const handle = await open(path, regularFileFlags);
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, size: stat.size };
    await handle.close();
    return undefined;
  } catch (error) {
    if (isNoRegularFile(error)) return undefined;
    throw error;
  }
}

/**
 * The content of a regular file of at most `maxBytes`, a few kilobytes; undefined if it is absent, larger, or no
 * regular file. Synchronous: it is on the way of every launch, where a thread would take longer to wake than to read it.
 */
export function readSmallFile(path: string, maxBytes: number): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, regularFileFlags);
  } catch (error) {
    if (isNoRegularFile(error)) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    return stat.isFile() && stat.size <= maxBytes ? readFileSync(fd) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** What keeps a path from being followed through a link, or from waiting on a FIFO, where the system can. */
const regularFileFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

function isNoRegularFile(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENXIO';
}
