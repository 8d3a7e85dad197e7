import { performance } from 'node:perf_hooks';
import { ScriptError } from './run.mjs';

/**
 * Does one step of a longer work and prints one line with its name and its seconds, whether or not it succeeds.
 * @template T
 * @param {string} name
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(name, work) {
  const start = performance.now();
  let mark = 'failed';
  try {
    const result = await work();
    mark = '';
    return result;
  } finally {
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${name.padEnd(14)}${seconds.padStart(6)} s  ${mark}`.trimEnd());
  }
}

/**
 * Waits for all of them, also when one fails, so that nothing goes on behind the back of who handles the failure.
 * @param {readonly Promise<unknown>[]} steps
 * @throws {ScriptError} with the messages of all that failed.
 */
export async function allSteps(steps) {
  const failures = (await Promise.allSettled(steps)).flatMap((result) =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  if (failures.length === 0) return;
  const messages = failures.map((failure) => (failure instanceof ScriptError ? failure.message : failure.stack));
  throw new ScriptError(messages.join('\n'), { cause: failures[0] });
}
