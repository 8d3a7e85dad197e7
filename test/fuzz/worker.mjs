/** Runs trials until its time is up; its parent sees in shared memory which one it is at, in case it comes to no end. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadSamples } from './samples.mjs';
import { makeTrial, runTrial } from './trial.mjs';

/** @type {{ seed: number, first: number, count: number, until: number, progress: SharedArrayBuffer }} */
const { seed, first, count, until, progress } = workerData;
const current = new Int32Array(progress);
const samples = await loadSamples();
/** @type {Map<string, number>} */
const verdicts = new Map();

/** @returns {Promise<{ number: number, target: string, bytes: string, message: string } | undefined>} */
async function findFailure() {
  for (let number = first; number < first + count && Date.now() < until; number++) {
    Atomics.store(current, 0, number);
    const { target, bytes } = makeTrial(samples, seed, number);
    try {
      const key = `${target.name}: ${await runTrial(target, bytes)}`;
      verdicts.set(key, (verdicts.get(key) ?? 0) + 1);
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { number, target: target.name, bytes: bytes.toString('base64'), message };
    }
  }
  return undefined;
}

const failure = await findFailure();
parentPort?.postMessage({ failure, verdicts });
