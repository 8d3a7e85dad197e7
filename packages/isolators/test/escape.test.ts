import { expect, it } from 'vitest';
import { hasEscaped } from '../src/disk/escape.js';

const MiB = 2 ** 20;

it.each([
  ['what is charged', { used: 24 * MiB, charged: 24 * MiB, limit: 24 * MiB }, false],
  [
    'what is charged, under a limit that was lowered since',
    { used: 24 * MiB, charged: 24 * MiB, limit: 4 * MiB },
    false,
  ],
  ['what nobody is charged for', { used: 24 * MiB, charged: 0, limit: 8 * MiB }, true],
  ['more than is charged for, within the limit', { used: 6 * MiB, charged: 0, limit: 8 * MiB }, false],
  ['a little more, as while it grows', { used: 8.5 * MiB, charged: 8 * MiB, limit: 8 * MiB }, false],
])('tells files taken out of a quota from %s', (_what, of, escaped) => {
  expect(hasEscaped(of)).toBe(escaped);
});
