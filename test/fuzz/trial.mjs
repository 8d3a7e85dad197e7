import assert from 'node:assert/strict';
import { isGantryError } from '@gantry/interface';
import { mutate, mutateDocument, withChecksums } from './mutate.mjs';
import { Random } from './random.mjs';
import { targets } from './targets.mjs';

/** @import { Target } from './targets.mjs' */

/** What one trial may cost. A machine that is busy with other things is to get by with it. */
const maxMilliseconds = 20_000;
const maxMemory = 600 * 2 ** 20;

/** @type {readonly Target[]} */
const choices = targets.flatMap((target) => Array.from({ length: target.weight }, () => target));

/**
 * What a trial feeds to whom: the seed and the number alone decide.
 *
 * @param {Awaited<ReturnType<import('./samples.mjs').loadSamples>>} samples
 * @param {number} seed
 * @param {number} number
 */
export function makeTrial(samples, seed, number) {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const target = random.pick(choices);
  const others = samples[target.kind];
  const sample = random.pick(others);
  if (sample[0] === 0x7b && random.below(4) > 0) return { target, bytes: mutateDocument(sample, random) };
  const mutated = mutate(sample, random, random.pick(others));
  const bytes = target.kind === 'tar' && random.below(4) > 0 ? withChecksums(mutated) : mutated;
  return { target, bytes };
}

/**
 * Runs a target twice on the same bytes. Rejects unless it gives the same verdict both times, throws nothing but GantryError, and
 * stays within time and memory. Resolves with the verdict: `ok`, or the code of the error.
 *
 * @param {Target} target
 * @param {Buffer} bytes
 */
export async function runTrial(target, bytes) {
  const started = performance.now();
  const verdicts = [await verdictOf(target, bytes), await verdictOf(target, Buffer.from(bytes))];
  assert.equal(verdicts[1], verdicts[0], 'another verdict the second time');
  const elapsed = performance.now() - started;
  assert.ok(elapsed < maxMilliseconds, `it took ${Math.round(elapsed)} ms`);
  const { rss } = process.memoryUsage();
  assert.ok(rss < maxMemory, `the process takes ${Math.round(rss / 2 ** 20)} MiB`);
  return (verdicts[0] ?? '').startsWith('error ') ? ((verdicts[0] ?? '').split(' ')[1] ?? '') : 'ok';
}

/**
 * @param {Target} target
 * @param {Buffer} bytes
 */
async function verdictOf(target, bytes) {
  try {
    return await target.run(bytes);
  } catch (error) {
    if (!isGantryError(error)) throw error;
    assert.notEqual(error.code, 'SYSTEM', error.message);
    return `error ${error.code}`;
  }
}
