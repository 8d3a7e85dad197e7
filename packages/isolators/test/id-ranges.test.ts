import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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

  it('are not given to another while a launch is under way, which has what it was told', async () => {
    const ranges = new IdRanges(pool, folder);
    const launching = ['a', 'b', 'c'].map((id) => ranges.reserve(id));
    expect(['a', 'b', 'c'].map((id) => first(ranges, id))).toEqual([1000, 1010, 1020]);
    expect(() => ranges.idsOf('late')).toThrow(expect.objectContaining({ code: 'REFUSED' }));
    for (const id of ['a', 'b', 'c']) ranges.take(id);
    for (const launch of launching) await launch[Symbol.asyncDispose]();
    expect(['a', 'b', 'c'].map((id) => first(ranges, id))).toEqual([1000, 1010, 1020]);
    expect(readdirSync(folder).sort()).toEqual(['0', '1', '2']);
  });

  it('are free again after a launch that came to nothing', async () => {
    const ranges = new IdRanges(pool, folder);
    const launching = ['a', 'b', 'c'].map((id) => ranges.reserve(id));
    await launching[1]?.[Symbol.asyncDispose]();
    expect(first(ranges, 'next')).toBe(1010);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are free again if a power cut tore what says whose they are', () => {
    for (const range of ['0', '2']) writeFileSync(join(folder, range), '');
    const ranges = new IdRanges(pool, folder);
    expect(ranges.holders()).toEqual([]);
    for (const id of ['a', 'b', 'c']) ranges.take(id);
    expect(ranges.holders()).toEqual(['a', 'b', 'c']);
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
