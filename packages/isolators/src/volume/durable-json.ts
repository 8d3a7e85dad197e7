import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@gantry/interface';

/**
 * Puts a document in place of the old in one step that outlives a power cut, and makes the folders if there are none. One that
 * fails leaves the old. Not for two at once: the temporary file has the same name.
 */
export async function writeDurably(path: string, value: object): Promise<void> {
  const folder = dirname(path);
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.tmp`;
  await using file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(value));
    await file.sync();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  // Up to the folder that was there before.
  for (let made = folder; ; made = dirname(made)) {
    await flush(made);
    if (first === undefined || made === dirname(first)) return;
  }
}

/** Brings what a folder has in it to the disk. */
export async function flush(folder: string): Promise<void> {
  await using handle = await open(folder);
  await handle.sync();
}

/** The document at a path; undefined if there is none, or none that is whole. */
export async function readDurable<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
