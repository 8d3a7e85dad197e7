import { chmodSync, closeSync, fsync, openSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const sync = promisify(fsync);
const memoryFilesystems = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);
let names = 0;

/** Puts a file in place in one step, for its owner alone unless `mode` says otherwise. Holds against the end of this process, not against a power cut. */
export function replaceFile(path: string, content: string, mode = 0o600): void {
  const temporary = writeBeside(path, content);
  try {
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** As {@link replaceFile}, and resolves once it would outlive a power cut. */
export async function replaceFileDurably(path: string, content: string): Promise<void> {
  const temporary = writeBeside(path, content);
  try {
    await flush(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  await flush(dirname(path));
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

function writeBeside(path: string, content: string): string {
  names += 1;
  const temporary = `${path}.${process.pid}-${names}.tmp`;
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return temporary;
}
