import { describe, expect, it } from 'vitest';
import { mapRanges, parseSubordinateRanges, withoutOverlaps } from '../src/user-namespace/subordinate-ids.js';

describe('subordinate ids', () => {
  it('are those of the owner, by name and by number, in lines that are whole', () => {
    const text = 'ann:100000:65536\nbob:165536:65536\n1000:300000:10\nann:1:\nann:4294967290:10\n\nann:5:0\n';
    expect(parseSubordinateRanges(text, new Set(['1000', 'ann']))).toEqual([
      { start: 100000, size: 65536 },
      { start: 300000, size: 10 },
    ]);
  });

  it('are each there once, as the kernel takes no map with one id of the host in it twice', () => {
    const same = { start: 100000, size: 65536 };
    expect(withoutOverlaps([same, same], 1000)).toEqual([same]);
    expect(withoutOverlaps([same, { start: 150000, size: 65536 }], 1000)).toEqual([
      same,
      { start: 165536, size: 50000 },
    ]);
    expect(
      withoutOverlaps(
        [
          { start: 20, size: 10 },
          { start: 10, size: 30 },
        ],
        1000,
      ),
    ).toEqual([
      { start: 20, size: 10 },
      { start: 10, size: 10 },
      { start: 30, size: 10 },
    ]);
  });

  it('are without the id of the user, which is mapped by itself', () => {
    expect(withoutOverlaps([{ start: 1000, size: 3 }], 1001)).toEqual([
      { start: 1000, size: 1 },
      { start: 1002, size: 1 },
    ]);
  });

  it('are mapped one after the other', () => {
    expect(
      mapRanges(
        [
          { start: 100, size: 5 },
          { start: 50, size: 2 },
        ],
        1,
      ),
    ).toEqual([
      { inside: 1, outside: 100, size: 5 },
      { inside: 6, outside: 50, size: 2 },
    ]);
  });
});
