import { InvalidArgumentError } from 'commander';

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds since the epoch of a date, as `2026-01-31T12:00:00Z`, or of so long ago: `90s`, `10m`, `3h`, `2d`. */
export function parseTime(text: string): number {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
  const time = count === undefined ? Date.parse(text) : Date.now() - Number(count) * (units[unit] ?? Number.NaN);
  if (!Number.isFinite(time))
    throw new InvalidArgumentError('give a time as 2026-01-31T12:00:00Z, or 90s, 10m, 3h, 2d.');
  return time;
}
