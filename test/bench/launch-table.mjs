import { percentile } from './statistics.mjs';
import { table } from './table.mjs';

/** The figure that all others are compared with. */
const floor = 'bare';

/**
 * The figures as a table of Markdown that reads well on a terminal, too.
 * @param {ReadonlyMap<string, readonly number[]>} figures Milliseconds by name.
 */
export function launchTable(figures) {
  const unit = percentile(figures.get(floor) ?? [], 0.5);
  const rows = Array.from(figures, ([name, values]) => {
    const p50 = percentile(values, 0.5);
    return [name, p50.toFixed(2), percentile(values, 0.9).toFixed(2), (p50 / unit).toFixed(2)];
  });
  return table([['/bin/true', 'p50 ms', 'p90 ms', `× ${floor}`], ...rows]);
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
  if (p50('gantry') > 3 * p50(floor)) missed.push('a launch to its exit takes at most 3 times as long as bare');
  if (p50('gantry') >= p50('runc')) missed.push('a launch to its exit is quicker than runc run');
  return missed;
}
