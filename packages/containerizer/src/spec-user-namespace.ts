import type { IdMapping } from '@gantry/interface';
import * as is from './fields.js';

const maxId = 0xfffffffe;

const id = is.integer(0, maxId);
const range = is.object({ inside: id, outside: id, size: is.integer(1, maxId) }, ['inside', 'outside', 'size']);

/** The kernel's most ranges of a user namespace. user_namespaces(7). */
const maxRanges = 340;

/** Ranges that overlap on neither side, with a root among them. */
const ranges: is.Check = (value, field) => {
  is.list(range)(value, field);
  const list = value as readonly IdMapping[];
  if (list.length > maxRanges) throw is.invalid(field, `must be ${maxRanges} ranges at most`);
  if (!list.some(({ inside }) => inside === 0)) throw is.invalid(field, 'must have a range that begins with inside 0');
  for (const side of ['inside', 'outside'] as const) {
    const sorted = [...list].sort((a, b) => a[side] - b[side]);
    sorted.forEach((mapping, index) => {
      const end = mapping[side] + mapping.size;
      if (end - 1 > maxId) throw is.invalid(field, `has ids above ${maxId}`);
      if (end > (sorted[index + 1]?.[side] ?? Number.POSITIVE_INFINITY)) {
        throw is.invalid(field, `has ranges that overlap ${side}`);
      }
    });
  }
};

const mappings = is.object({ uids: ranges, gids: ranges }, ['uids', 'gids']);

/** `spec.userNamespace`. */
export const userNamespace: is.Check = (value, field) => {
  if (typeof value === 'string') is.oneOf('host', 'private')(value, field);
  else mappings(value, field);
};
