import { setTimeout } from 'node:timers/promises';

/**
 * One way to run `/bin/true` in a container. What a run measures comes under names: most have just one figure.
 * @typedef {object} Contender
 * @property {() => Promise<ReadonlyMap<string, number>>} run Milliseconds by name of the figure.
 * @property {number} [every] In which rounds it takes part: the first of so many, and the last that does not count. Default all.
 * @property {() => PromiseLike<void>} close Leaves nothing behind.
 */

/**
 * Runs all of them in turn, so that whatever else the machine does hits all alike. Each round begins with another one, so that none
 * always comes after the same.
 * @param {readonly Contender[]} contenders
 * @param {{ rounds: number, warmUp: number, pauseMs?: number }} options Rounds that count, after some that do not; milliseconds after each run, so
 *   that the kernel is through with what it left. Default none.
 * @returns {Promise<Map<string, number[]>>} Milliseconds of every round that counts, by name of the figure.
 */
export async function interleave(contenders, { rounds, warmUp, pauseMs = 0 }) {
  /** @type {Map<string, number[]>} */
  const figures = new Map();
  for (let round = -warmUp; round < rounds; round += 1) {
    const first = Math.max(0, round) % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      if (!takesPart(contender, round)) continue;
      const measured = await contender.run();
      if (pauseMs > 0) await setTimeout(pauseMs);
      for (const [name, milliseconds] of measured) {
        if (round < 0) continue;
        const values = figures.get(name);
        if (values) values.push(milliseconds);
        else figures.set(name, [milliseconds]);
      }
    }
  }
  return figures;
}

/** @param {Contender} contender @param {number} round Below 0 if it does not count. */
function takesPart({ every = 1 }, round) {
  return every === 1 || round === -1 || (round >= 0 && round % every === 0);
}
