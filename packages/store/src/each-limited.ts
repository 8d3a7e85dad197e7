import { setMaxListeners } from 'node:events';
import { throwIfAborted } from '@gantry/interface';

/**
 * Runs `run` for every item, at most `limit` at once. The first failure aborts the signal that the others were given;
 * it is thrown once they have all settled, so that nothing is left running.
 */
export async function eachLimited<T>(
  items: readonly T[],
  limit: number,
  what: string,
  signal: AbortSignal | undefined,
  run: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  // Every item listens to it; that many listeners are no leak.
  setMaxListeners(0, stop);
  const waiting = items.values();
  const work = async (): Promise<void> => {
    for (const item of waiting) {
      if (stop.aborted) return;
      try {
        await run(item, stop);
      } catch (error) {
        failures.push(error);
        failed.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  if (failures.length > 0) throw failures[0];
  throwIfAborted(signal, what);
}
