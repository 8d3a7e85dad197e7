import { randomUUID } from 'node:crypto';
import { closeSync, fsync, linkSync, openSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** Makes the content of a file, or the entries of a folder, outlive a power cut. */
export type Flush = (path: string) => Promise<void>;

const sync = promisify(fsync);
const memoryFilesystems = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);

/** How to flush below a folder: not at all where it is in memory, which no power cut spares. */
export function flushFor(folder: string): Flush {
  return memoryFilesystems.has(statfsSync(folder).type) ? async () => undefined : flushToDisk;
}

async function flushToDisk(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    await sync(file);
  } finally {
    closeSync(file);
  }
}

// Records are small, and on the way of every launch. Of what writing one takes only fsync waits for a disk: it alone is
// left to the thread pool, the rest returns from the kernel's memory sooner than a thread could be woken for it.

/** Puts a file's new content in place of the old in one step that a crash cannot tear: temp file, flush, rename, flush of the folder. */
export async function replaceFile(path: string, content: string, flush: Flush): Promise<void> {
  await writeBeside(path, content, flush, (temporary) => {
    renameSync(temporary, path);
  });
  await flush(dirname(path));
}

/** As {@link replaceFile}, but only if there is no such file: false if there is one, which is left as it is. */
export async function createFile(path: string, content: string, flush: Flush): Promise<boolean> {
  try {
    await writeBeside(path, content, flush, (temporary) => {
      linkSync(temporary, path);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  await flush(dirname(path));
  return true;
}

/** Writes a temporary file, hands it over once it is flushed, and removes it unless it has been renamed away. */
async function writeBeside(
  path: string,
  content: string,
  flush: Flush,
  use: (temporary: string) => void,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode: 0o600 });
    await flush(temporary);
    use(temporary);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Puts a small file in place of the old in one step. Holds against the end of this process, not against a power cut. */
export function replaceFileUnflushed(path: string, content: string): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
