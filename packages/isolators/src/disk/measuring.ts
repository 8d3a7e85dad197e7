import { setTimeout as pause } from 'node:timers/promises';
import { errnoOf, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';

/** At most one tenth of the time of one thread goes into measuring a container. */
const pauseFactor = 9;

let last: Promise<unknown> = Promise.resolve();

/** Bytes that folders take, together; undefined if they are gone. One measurement at a time: it takes a thread of few. */
export function measure(folders: readonly string[]): Promise<number | undefined> {
  const turn = last.then(async () => {
    try {
      return (await addon().treeUsage(folders)).bytes;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw toGantryError(error, 'measuring a writable layer');
    }
  });
  last = turn.catch(() => undefined);
  return turn;
}

/** Measures again and again until `over` says something of it, or the signal fires. */
export async function measureUntil<T>(
  folders: readonly string[],
  intervalMs: number,
  over: (used: number) => T | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  while (!signal.aborted) {
    const start = performance.now();
    const used = await measure(folders);
    const found = used === undefined || signal.aborted ? undefined : over(used);
    if (found !== undefined) return found;
    const ms = Math.max(intervalMs, pauseFactor * (performance.now() - start));
    // Aborting it is how it ends.
    await pause(ms, undefined, { signal, ref: false }).catch(() => undefined);
  }
  return undefined;
}
