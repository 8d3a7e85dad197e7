import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { link, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '@gantry/interface';
import { ownedName } from './owned-name.js';

const sync = promisify(fsync);
const memoryFilesystems: ReadonlySet<number> = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);

/** Brings an open file or folder to the disk; if it is in memory, which no power cut spares, no thread is woken for that. */
async function flush(fd: number, path: string): Promise<void> {
  if (!memoryFilesystems.has(statfsSync(path).type)) await sync(fd);
}

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
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await flush(fd, path);
  } finally {
    closeSync(fd);
  }
}

/**
 * Replaces a small file's content in one step: readers, and a machine that comes back after a power cut, see the old
 * content or the new, whole. The temporary file is made in `ingest`, which must be on the same file system. Only the
 * flushes wait for a disk; the rest returns from the kernel's memory sooner than a thread could be woken for it.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, ingest: string): Promise<void> {
  const temporary = join(ingest, await ownedName());
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(fd, content);
      await flush(fd, temporary);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Does what needs these folders, and again once they are made if it fails for want of one. */
export async function inFolders<T>(folders: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    for (const folder of folders) await ensureFolder(folder);
    return work();
  }
}

/**
 * Opens a file for reading without following a link in its last component and without waiting on a FIFO. Undefined
 * if it is absent or is anything but a regular file: what we wrote is a regular file, so anything else is not ours.
 */
export async function openRegularFile(path: string) {
  try {
    const handle = await open(path, regularFileFlags);
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, size: stat.size, ino: stat.ino };
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
    return stat.isFile() && stat.size <= maxBytes ? readWhole(fd, stat.size) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** The first `size` bytes of a file, or all if there are fewer. */
function readWhole(fd: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  for (let read = 1; read > 0 && length < size; length += read)
    read = readSync(fd, bytes, length, size - length, length);
  return bytes.subarray(0, length);
}

/** Renames a file or folder; false if it is not there any more. */
export async function moveFile(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Renames a folder; false if that failed as it does where another process was quicker. */
export async function moveFolder(from: string, to: string, overtaken: readonly string[]): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (overtaken.includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

/** Gives a file that was moved aside its name back, unless that has been taken by a newer one. */
export async function putBack(aside: string, path: string): Promise<void> {
  try {
    await link(aside, path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** What keeps a path from being followed through a link, or from waiting on a FIFO, where the system can. */
const regularFileFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

function isNoRegularFile(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENXIO';
}
