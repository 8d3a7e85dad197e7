import { Worker } from 'node:worker_threads';

/** A trial that is at the same place for so long has come to no end. */
const maxSilence = 60_000;

/**
 * What came of a run.
 *
 * @typedef {object} FuzzResult
 * @property {ReadonlyMap<string, number>} verdicts by target and verdict, how often
 * @property {{ number: number, target: string, bytes: string, message: string } | undefined} failure
 *   the first trial that broke a rule, its input in base64
 */

/**
 * Feeds mutated archives, compressed streams and documents to everything that reads such, for some seconds or so many trials.
 *
 * @param {{ seed: number, seconds?: number, first?: number, count?: number, onMinute?: (trials: number) => void }} options
 * @returns {Promise<FuzzResult>}
 */
export async function fuzz({ seed, seconds = 2 ** 31, first = 0, count = 2 ** 31, onMinute }) {
  const progress = new SharedArrayBuffer(4);
  const current = new Int32Array(progress);
  const workerData = { seed, first, count, until: Date.now() + seconds * 1000, progress };
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData });
  let last = -1;
  let since = Date.now();
  let ticks = 0;
  /** @type {NodeJS.Timeout | undefined} */
  let watchdog;
  try {
    return await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      watchdog = setInterval(() => {
        const number = Atomics.load(current, 0);
        if (++ticks % 60 === 0) onMinute?.(number - first);
        if (number !== last) [last, since] = [number, Date.now()];
        else if (Date.now() - since > maxSilence) {
          resolve({ verdicts: new Map(), failure: { number, target: '', bytes: '', message: 'it comes to no end' } });
        }
      }, 1000);
    });
  } finally {
    clearInterval(watchdog);
    await worker.terminate();
  }
}
