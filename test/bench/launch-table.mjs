import { percentile } from './statistics.mjs';
import { table } from './table.mjs';

/** The figures that all others are compared with. */
const floor = 'bare';
const ours = 'gantry';

/**
 * The launches as a table of Markdown that reads well on a terminal, too.
 * @param {ReadonlyMap<string, readonly number[]>} figures Milliseconds by name.
 */
export const launchTable = (figures) => timesTable('/bin/true', floor, figures);

/**
 * The same with bare as the only other contender.
 * @param {string} title
 * @param {ReadonlyMap<string, readonly number[]>} figures Milliseconds by name.
 */
export function aloneTable(title, figures) {
  const shares = [0.1, 0.5, 0.9];
  /** @param {string} name */
  const percentiles = (name) => shares.map((share) => percentile(figures.get(name) ?? [], share));
  const ones = percentiles(floor);
  const rows = [ours, floor].map((name) => {
    const cells = percentiles(name).map((value, index) => [value.toFixed(2), (value / (ones[index] ?? 1)).toFixed(2)]);
    return [name, ...cells.flat()];
  });
  const heads = shares.flatMap((share) => [`p${100 * share} ms`, `× ${floor}`]);
  return table([[title, ...heads], ...rows]);
}

/**
 * The same of processes that were started beside a first one.
 * @param {ReadonlyMap<string, readonly number[]>} figures Milliseconds by name.
 */
export const execTable = (figures) => timesTable('exec of /bin/true', ours, figures);

/**
 * @param {string} title
 * @param {string} unit The figure that the others are given in multiples of.
 * @param {ReadonlyMap<string, readonly number[]>} figures
 */
function timesTable(title, unit, figures) {
  const one = percentile(figures.get(unit) ?? [], 0.5);
  const rows = Array.from(figures, ([name, values]) => {
    const p50 = percentile(values, 0.5);
    return [name, p50.toFixed(2), percentile(values, 0.9).toFixed(2), (p50 / one).toFixed(2)];
  });
  return table([[title, 'p50 ms', 'p90 ms', `× ${unit}`], ...rows]);
}

/**
 * What the launch is held to.
 * @param {ReadonlyMap<string, readonly number[]>} figures
 * @returns {string[]} The goals that were missed.
 */
export function missedGoals(figures) {
  /** @param {string} name */
  const p50 = (name) => percentile(figures.get(name) ?? [], 0.5);
  const missed = [];
  if (p50(ours) > 2 * p50(floor)) missed.push('a launch to its exit takes at most twice as long as bare');
  if (p50(ours) >= p50('runc')) missed.push('a launch to its exit is quicker than runc run');
  return missed;
}
