import { Host } from './host.mjs';
import { makeTrial, nameOf } from './plan.mjs';
import { runTrial } from './trial.mjs';
import { World } from './world.mjs';

/**
 * What came of a run.
 *
 * @typedef {object} CrashResult
 * @property {ReadonlyMap<string, { trials: number, reached: number, failed: number }>} points by the name of the point
 * @property {readonly { number: number, point: string, faults: readonly string[] }[]} failures
 */

/**
 * Kills host programs, shims and containers, and has system calls fail, at so many points; what a next host program
 * finds and leaves is then judged.
 *
 * @param {{ folder: string, seed: number, count?: number, first?: number, seconds?: number, onTrial?: (number: number, point: string, faults: readonly string[]) => void }} options
 *   `folder`: an empty one; `onTrial` is told of each when it is over.
 * @returns {Promise<CrashResult>}
 */
export async function crash({ folder, seed, count = 2 ** 31, first = 0, seconds = 2 ** 31, onTrial }) {
  /** @type {Map<string, { trials: number, reached: number, failed: number }>} */
  const points = new Map();
  const failures = [];
  const world = await World.open(folder);
  const deadline = performance.now() + seconds * 1000;
  let next = new Host();
  try {
    for (let number = first; number < first + count && performance.now() < deadline; number++) {
      const host = next;
      await host.ready;
      next = new Host();
      const trial = makeTrial(seed, number);
      const { reached, faults } = await runTrial(world, trial, host);
      const point = nameOf(trial.point);
      const counts = points.get(point) ?? { trials: 0, reached: 0, failed: 0 };
      counts.trials += 1;
      counts.reached += Number(reached);
      counts.failed += Number(faults.length > 0);
      points.set(point, counts);
      if (faults.length > 0) failures.push({ number, point, faults });
      onTrial?.(number, point, faults);
    }
  } finally {
    await next.kill();
    await world[Symbol.asyncDispose]();
  }
  return { points, failures };
}
