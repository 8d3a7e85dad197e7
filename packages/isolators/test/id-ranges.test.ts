import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IdRanges } from '../src/namespaces/id-ranges.js';

describe('ranges of ids', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-ranges-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const pool = { first: 1000, count: 3, size: 10 };
  const first = (ranges: IdRanges, id: string) => ranges.idsOf(id).uids[0]?.outside;

  it('are one for a container, the same however often it is asked for, and no two containers’', () => {
    const ranges = new IdRanges(pool, folder);
    expect(ranges.idsOf('a')).toEqual({
      uids: [{ inside: 0, outside: 1000, size: 10 }],
      gids: [{ inside: 0, outside: 1000, size: 10 }],
    });
    expect([first(ranges, 'b'), first(ranges, 'a'), first(ranges, 'c')]).toEqual([1010, 1000, 1020]);
    for (const id of ['a', 'b', 'c']) ranges.take(id);
    expect(() => ranges.idsOf('d')).toThrow(
      expect.objectContaining({
        code: 'REFUSED',
        message: expect.stringContaining('all 3 ranges of 10 ids from 1000'),
      }),
    );
    ranges.release('b');
    expect(first(ranges, 'd')).toBe(1010);
  });

  it('are given to another if they were only planned, and there are no more', () => {
    const ranges = new IdRanges(pool, folder);
    for (const id of ['kept', 'planned', 'other']) ranges.idsOf(id);
    ranges.take('kept');
    expect(readdirSync(folder)).toEqual(['0']);
    expect(first(ranges, 'new')).toBe(1010);
    ranges.take('new');
    expect(first(ranges, 'planned')).toBe(1020);
  });

  it('are known to the next host program, which lets them go', () => {
    const before = new IdRanges(pool, folder);
    before.idsOf('planned');
    for (const id of ['a', 'b']) before.take(id);
    const next = new IdRanges(pool, folder);
    expect(next.holders().sort()).toEqual(['a', 'b']);
    expect([first(next, 'a'), first(next, 'b'), first(next, 'c')]).toEqual([1010, 1020, 1000]);
    next.release('a');
    next.release('never');
    expect(readdirSync(folder)).toEqual(['2']);
  });

  it.each([
    { first: 0, count: 1 },
    { first: 1, count: 0 },
    { first: 1.5, count: 1 },
    { first: 1, count: 65_536 },
    { first: 1, count: 1, size: -1 },
  ])('cannot be %j', (wrong) => {
    expect(() => new IdRanges(wrong, folder)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
