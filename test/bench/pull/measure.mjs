import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { interleave } from '../contender.mjs';
import { Agreement, asContender } from './puller.mjs';

/**
 * What is pulled by whom.
 * @typedef {object} Race
 * @property {string} reference
 * @property {readonly import('./puller.mjs').Puller[]} pullers
 */

/**
 * Measures pulls of images that are in a registry, all pullers in turn, each from nothing.
 * @param {readonly Race[]} races Those of one race must come to the same files.
 * @param {object} options
 * @param {string} options.folder On the file system that is measured.
 * @param {number} options.rounds
 * @param {AbortSignal} options.signal
 * @param {import('./puller.mjs').Pace} options.pace
 * @returns {Promise<{ figures: Map<string, number[]>, entries: number }>} Figures by name, and how many files and folders the first race's image has.
 */
export async function measurePulls(races, { folder, rounds, signal, pace }) {
  const own = await mkdtemp(join(folder, 'gantry-bench-'));
  try {
    const agreements = races.map(() => new Agreement());
    const contenders = races.flatMap(({ reference, pullers }, index) => {
      const agreement = agreements[index] ?? new Agreement();
      return pullers.map((puller) => asContender(puller, { folder: own, reference, agreement, signal, pace }));
    });
    const figures = await interleave(contenders, { rounds, warmUp: 0 });
    return { figures, entries: agreements[0]?.entries ?? 0 };
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
