import { loadavg } from 'node:os';
import { serveRegistry } from '../../support/registry-server.mjs';
import { machine } from '../machine.mjs';
import { contenders } from './contenders.mjs';
import { images } from './content.mjs';
import { gantry } from './gantry.mjs';
import { measurePulls } from './measure.mjs';
import { partsTable } from './parts.mjs';
import { missingCommands } from './puller.mjs';
import { gantryTable, missedPullGoals, pullTable } from './report.mjs';

/**
 * Where and how often is measured.
 * @typedef {object} Course
 * @property {string} name Of the kind of file system, for people.
 * @property {string} folder On it.
 * @property {number} rounds
 * @property {number} times As fast as the others is Gantry to be.
 * @property {AbortSignal} signal
 * @property {number} limitSeconds That any one pull may take.
 * @property {boolean} comparesOnly Whether to leave out what says more of Gantry alone.
 */

const many = 100;

/**
 * Serves the images until it is closed.
 * @param {string} content Of the registry.
 * @param {readonly string[]} only Names of the contenders.
 */
export async function openSession(content, only) {
  const pullers = present(only);
  const registry = await serveRegistry(content);
  const at = (/** @type {string} */ name) => `${registry.address}/${name}`;
  const reference = at(images.debian);
  const watched = gantry('gantry, watched', undefined, true);
  const small = gantry('gantry, 20 small images at once', () => images.small.map(at), true);
  const same = gantry(
    `gantry, the image ${many} times at once`,
    () => Array.from({ length: many }, () => reference),
    true,
  );
  const hasGantry = only.includes('gantry');

  /**
   * Measures on one file system, and prints what came out.
   * @param {Course} course
   * @returns {Promise<string[]>} Goals that were missed.
   */
  async function run({ name, folder, rounds, times, signal, limitSeconds, comparesOnly }) {
    const load = loadavg()[0]?.toFixed(1);
    const looksCloser = hasGantry && !comparesOnly;
    const races = [
      { reference, pullers: [...pullers, ...(looksCloser ? [watched, same] : [])] },
      { reference, pullers: looksCloser ? [small] : [] },
    ];
    const pace = { limitSeconds, say: (/** @type {string} */ line) => console.log(`${name}: ${line}`) };
    const { figures, entries } = await measurePulls(races, { folder, rounds, signal, pace });
    console.log(`\n${name}: ${machine()}; load ${load} before`);
    console.log(`${entries} files and folders; ${rounds} rounds, all contenders in turn\n`);
    console.log(
      pullTable(
        figures,
        pullers.map((puller) => puller.name),
      ),
    );
    if (looksCloser) {
      console.log(`\n${gantryTable(figures, ['gantry', watched.name, same.name, small.name])}`);
      console.log(`\n${await partsTable({ reference, folder, signal })}`);
    }
    const missed = missedPullGoals(figures, times);
    for (const goal of missed) console.log(`missed: ${goal}`);
    return missed;
  }

  return { run, close: () => registry[Symbol.asyncDispose]() };
}

/** @param {readonly string[]} only */
function present(only) {
  return contenders.filter((puller) => {
    if (!only.includes(puller.name)) return false;
    const missing = missingCommands(puller);
    if (missing.length > 0) console.log(`${puller.name} is left out: no ${missing.join(', ')} here`);
    return missing.length === 0;
  });
}
