import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, fsync, openSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const sync = promisify(fsync);
const memoryFilesystems = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);
const ownerOnly = 0o600;

/** Puts a small file in place in one step, for its owner alone unless `mode` says otherwise. Holds against the end of this process, not against a power cut. */
export function replaceFile(path: string, content: string, mode = ownerOnly): void {
  // By its name nothing that is looked for, nor what a host program that was killed has left.
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode: ownerOnly });
    // Whatever the umask.
    if (mode !== ownerOnly) chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes the content of a file, or the entries of a folder, outlive a power cut; not in memory, which none spares. */
export async function flush(path: string): Promise<void> {
  if (memoryFilesystems.has(statfsSync(path).type)) return;
  const file = openSync(path, 'r');
  try {
    await sync(file);
  } finally {
    closeSync(file);
  }
}
