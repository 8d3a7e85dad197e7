import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, raceAbort, throwIfAborted } from '@gantry/interface';
import { addon } from '@gantry/native';

const retryMs = 20;
const waiting = new Map<string, Promise<unknown>>();

/**
 * Runs one at a time of those who give the same path, in whatever processes. The file at the path is there while somebody holds
 * the lock, or waits for it; the kernel lets go of that of a process which dies. `signal` ends the wait, not what runs.
 */
export async function withLock<T>(path: string, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const turn = (waiting.get(path) ?? Promise.resolve()).catch(() => undefined);
  const mine = turn.then(() => withFile(path, run, signal));
  waiting.set(path, mine);
  const leave = () => {
    if (waiting.get(path) === mine) waiting.delete(path);
  };
  mine.then(leave, leave);
  await raceAbort(turn, signal, `waiting for ${path}`);
  return mine;
}

async function withFile<T>(path: string, run: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await using _ = await locked(path, signal);
  try {
    return await run();
  } finally {
    // While it is held: whoever waits for this one sees that it is not the file at the path any more.
    await rm(path, { force: true });
  }
}

async function locked(path: string, signal: AbortSignal | undefined): Promise<FileHandle> {
  for (;;) {
    throwIfAborted(signal, `waiting for ${path}`);
    const file = await open(path, 'a', 0o600);
    try {
      const held = addon().tryLock(file.fd);
      if (held && (await isAt(file, path))) return file;
      if (!held) await delay(retryMs);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}

async function isAt(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [own, there] = await Promise.all([file.stat(), stat(path)]);
    return own.ino === there.ino && own.dev === there.dev;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
