/**
 * The smallest value that at least this share of all values does not exceed.
 * @param {readonly number[]} values At least one.
 * @param {number} share Above 0, at most 1.
 */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.ceil(sorted.length * share) - 1];
  if (value === undefined) throw new RangeError('a percentile of no values');
  return value;
}
