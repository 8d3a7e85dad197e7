import { mkdirSync, mkdtempSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isOrdinary, removeTree } from '@gantry/archive';
import { errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';

const prefix = 'trial-';

/** A trial takes milliseconds: a folder that is older was left by a process that was killed. */
const staleMs = 60_000;

/** Calls `use` with a new folder below `root`, which is made if need be, and removes it whatever happens. */
export async function withTrialFolder<T>(root: string, use: (folder: string) => Promise<T>): Promise<T> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  removeStale(root);
  const folder = mkdtempSync(join(root, prefix));
  try {
    return await use(folder);
  } finally {
    // What another user of the namespace was given there, its root removes.
    if (isOrdinary()) await removeTree(folder);
    else remove(root, basename(folder));
  }
}

function removeStale(root: string): void {
  for (const name of readdirSync(root)) {
    if (!name.startsWith(prefix)) continue;
    // Gone by now if another process's trial has ended.
    const { mtimeMs = Date.now() } = statSync(join(root, name), { throwIfNoEntry: false }) ?? {};
    if (Date.now() - mtimeMs <= staleMs) continue;
    if (isOrdinary()) void removeTree(join(root, name)).catch(() => undefined);
    else remove(root, name);
  }
}

function remove(root: string, name: string): void {
  const directory = new (addon().RootDirectory)(realpathSync(root));
  try {
    directory.remove(Buffer.from(name));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  } finally {
    directory.close();
  }
}
