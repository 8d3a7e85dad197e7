import { randomBytes } from 'node:crypto';
import { closeSync, fsync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

// Records are small, and on the way of every launch. Of what writing one takes only fsync waits for a disk: it alone is
// left to the thread pool, the rest returns from the kernel's memory sooner than a thread could be woken for it.
const sync = promisify(fsync);

/** Puts a file's new content in place of the old in one step that a crash cannot tear: temp file, fsync, rename, fsync of the folder. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = await writeBeside(path, content);
  try {
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** As {@link replaceFile}, but only if there is no such file: false if there is one, which is left as it is. */
export async function createFile(path: string, content: string): Promise<boolean> {
  const temporary = await writeBeside(path, content);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}

/** Puts a small file in place of the old in one step. Holds against the end of this process, not against a power cut. */
export function replaceFileUnsynced(path: string, content: string): void {
  const temporary = temporaryName(path);
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes a file's content outlive a power cut. */
export async function syncFile(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    await sync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes renames and links in a folder outlive a power cut. */
export const syncFolder = syncFile;

async function writeBeside(path: string, content: string): Promise<string> {
  const temporary = temporaryName(path);
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeFileSync(file, content);
    await sync(file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return temporary;
}

function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}
