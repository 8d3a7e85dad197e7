import { percentile } from '../statistics.mjs';
import { table } from '../table.mjs';
import { figure } from './puller.mjs';

/** @typedef {ReadonlyMap<string, readonly number[]>} Figures */

/** Shares of values that the value told does not exceed. */
const least = Number.MIN_VALUE;
const middle = 0.5;
const worst = 1;

/**
 * One value for all rounds; undefined if there is none.
 * @param {Figures} figures
 * @param {string} puller
 * @param {string} name
 * @param {number} [share]
 */
function summaryOf(figures, puller, name, share = middle) {
  const values = figures.get(figure(puller, name));
  return values && percentile(values, share);
}

/**
 * @param {number | undefined} value
 * @param {number} digits
 */
const cell = (value, digits) => value?.toFixed(digits) ?? '';

/**
 * The pulls as a table of Markdown: medians of seconds, and how much longer than the first.
 * @param {Figures} figures
 * @param {readonly string[]} names Of the pullers.
 */
export function pullTable(figures, names) {
  const [first = ''] = names;
  const unit = summaryOf(figures, first, 'seconds') ?? Number.NaN;
  const rows = names.map((name) => {
    const seconds = summaryOf(figures, name, 'seconds');
    const ratio = seconds && seconds / unit;
    const range = [least, worst].map((share) => summaryOf(figures, name, 'seconds', share));
    const rest = ['cpu', 'flush'].map((one) => summaryOf(figures, name, one));
    return [name, ...[seconds, ratio, ...range, ...rest].map((one) => cell(one, 2))];
  });
  return table([['pull and unpack', 's', `× ${first}`, 'least s', 'most s', 'CPU s', 'then flush s'], ...rows]);
}

/** What only Gantry tells of itself: figure, head, digits; medians, but of what has a limit the worst. */
const columns = /** @type {const} */ ([
  ['resolved', 'resolved s', 2, middle],
  ['fetched', 'fetched s', 2, middle],
  ['unpacked', 'unpacked s', 2, middle],
  ['done', 'done s', 2, middle],
  ['loop p99', 'loop p99 ms', 1, middle],
  ['loop held', 'loop held ms', 1, worst],
  ['loop waited', 'without a processor ms', 1, worst],
  ['loop max', 'loop max ms', 1, worst],
  ['idle loop max', 'idle max ms', 1, worst],
  ['memory', 'memory MiB', 0, worst],
]);

/**
 * When the last event of each kind came; how late the event loop ran, how long it was held or had no processor, and how late that of
 * an idle program ran; and the peak of memory over what there was before.
 * @param {Figures} figures
 * @param {readonly string[]} names Of the pullers that are Gantry.
 */
export function gantryTable(figures, names) {
  const rows = names.map((name) => [
    name,
    ...columns.map(([one, , digits, share]) => cell(summaryOf(figures, name, one, share), digits)),
  ]);
  return table([['the same pulls', ...columns.map(([, head]) => head)], ...rows]);
}

const programs = ['docker', 'containerd', 'podman'];

/**
 * What a pull is held to.
 * @param {Figures} figures
 * @param {number} times As fast as the fastest of docker, containerd and podman.
 * @returns {string[]} The goals that were missed; one for which a figure is lacking is none.
 */
export function missedPullGoals(figures, times) {
  const ours = summaryOf(figures, 'gantry', 'seconds') ?? 0;
  const theirs = programs.flatMap((name) => summaryOf(figures, name, 'seconds') ?? []);
  const bare = summaryOf(figures, 'bare igzip', 'seconds') ?? Number.POSITIVE_INFINITY;
  const missed = [];
  if (Math.min(...theirs) < times * ours) {
    missed.push(`a pull is ${times} times as fast as the fastest of ${programs.join(', ')}`);
  }
  if (bare < ours) missed.push('a pull is quicker than curl, igzip and tar');
  const idle = summaryOf(figures, 'gantry', 'idle loop max', worst) ?? 0;
  if ((summaryOf(figures, 'gantry', 'loop max', worst) ?? 0) > Math.max(10, idle)) {
    missed.push('the event loop runs at most 10 ms late, or no later than that of an idle program');
  }
  if ((summaryOf(figures, 'gantry', 'memory', worst) ?? 0) > 150) missed.push('a pull takes 150 MiB of memory at most');
  return missed;
}
