import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '@gantry/interface';
import { isRunning, thisProcess } from './process-mark.js';

const retryMs = 20;
const waiting = new Map<string, Promise<unknown>>();
let names = 0;

/**
 * Runs one at a time of those who give the same path, in whatever processes. The file at the path names the process that
 * holds it; that of one that has died is nobody's.
 */
export async function withLock<T>(path: string, run: () => Promise<T>): Promise<T> {
  const before = waiting.get(path) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(() => withFile(path, run));
  waiting.set(path, mine);
  try {
    return await mine;
  } finally {
    if (waiting.get(path) === mine) waiting.delete(path);
  }
}

async function withFile<T>(path: string, run: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  names += 1;
  const own = `${path}.${process.pid}-${names}`;
  await writeFile(own, thisProcess());
  try {
    while (!(await take(own, path))) await delay(retryMs);
  } finally {
    await rm(own, { force: true });
  }
  try {
    return await run();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const holder = await readFile(path, 'utf8').catch(() => undefined);
  if (holder !== undefined && !isRunning(holder)) await rm(path, { force: true });
  return false;
}
