import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storedSegments } from '../src/holes.js';
import type { Segment } from '../src/sparse.js';

/** Looks for data as lseek(2) does. */
const finder = (data: readonly Segment[]) => (from: number) => {
  const found = data.find(({ offset, length }) => offset + length > from);
  return (
    found && {
      offset: Math.max(from, found.offset),
      length: found.offset + found.length - Math.max(from, found.offset),
    }
  );
};

const mebibyte = 2 ** 20;

describe('storedSegments', () => {
  it('stores a file whole unless a MiB is saved', () => {
    expect(storedSegments(0, finder([]))).toBeUndefined();
    expect(storedSegments(mebibyte - 1, finder([]))).toBeUndefined();
    expect(storedSegments(mebibyte, finder([]))).toEqual([{ offset: mebibyte, length: 0 }]);
    expect(storedSegments(5 * mebibyte, finder([{ offset: 0, length: 5 * mebibyte }]))).toBeUndefined();
  });

  it('gives whole blocks, in order, that hold all data', () => {
    const gaps = fc.array(fc.tuple(fc.nat(3 * mebibyte), fc.integer({ min: 1, max: mebibyte })), { maxLength: 20 });
    fc.assert(
      fc.property(gaps, fc.nat(2 * mebibyte), (parts, tail) => {
        const data: Segment[] = [];
        let end = 0;
        for (const [gap, length] of parts) {
          data.push({ offset: end + gap, length });
          end += gap + length;
        }
        const size = end + tail;
        const segments = storedSegments(size, finder(data));
        if (!segments) return;
        let at = 0;
        for (const { offset, length } of segments) {
          expect(offset).toBeGreaterThanOrEqual(at);
          at = offset + length;
          if (offset !== size) expect(offset % 512).toBe(0);
          if (at !== size) expect(length % 512).toBe(0);
        }
        expect(at).toBe(size);
        for (const { offset, length } of data) {
          const holder = segments.filter((each) => each.offset < offset + length && each.offset + each.length > offset);
          const held = holder.reduce(
            (sum, each) => sum + Math.min(each.offset + each.length, offset + length) - Math.max(each.offset, offset),
            0,
          );
          expect(held).toBe(length);
        }
      }),
    );
  });

  it('stores the smallest holes of very many as zeros', () => {
    const data = Array.from({ length: 100_000 }, (_, i) => ({ offset: i * 8192, length: 4096 }));
    const last = { offset: 10 * 2 ** 30, length: 512 };
    const segments = storedSegments(11 * 2 ** 30, inOrder([...data, last]));
    expect(segments?.length).toBeLessThan(20_000);
    expect(segments?.at(-2)).toEqual(last);
  });
});

/** As `finder`, for one that asks in order and has no time to look at all. */
function inOrder(data: readonly Segment[]): (from: number) => Segment | undefined {
  let at = 0;
  return (from) => {
    while (at < data.length && (data[at]?.offset ?? 0) + (data[at]?.length ?? 0) <= from) at++;
    return data[at];
  };
}
