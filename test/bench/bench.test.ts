import { expect, it } from 'vitest';
import { interleave } from './contender.mjs';
import { aloneTable, execTable, launchTable, missedGoals } from './launch-table.mjs';
import { percentile } from './statistics.mjs';

it('takes percentiles by nearest rank', () => {
  const values = [15, 20, 35, 40, 50];
  expect([0.05, 0.3, 0.4, 0.5, 0.9, 1].map((share) => percentile(values, share))).toEqual([15, 20, 20, 35, 50, 50]);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});

it('runs the contenders in turn, each round from another one on, and leaves the warm-up out', async () => {
  const order: string[] = [];
  const contender = (name: string) => ({
    run: async () => new Map([[name, order.push(name)]]),
    close: async () => undefined,
  });
  const figures = await interleave([contender('a'), contender('b')], { rounds: 2, warmUp: 1 });
  expect(order).toEqual(['a', 'b', 'a', 'b', 'b', 'a']);
  expect([...figures]).toEqual([
    ['a', [3, 6]],
    ['b', [4, 5]],
  ]);
});

it('lets some take part in the first of so many rounds, and in the last of the warm-up', async () => {
  let rounds = 0;
  const seen: number[] = [];
  const always = {
    run: async () => {
      rounds += 1;
      return new Map<string, number>();
    },
    close: async () => undefined,
  };
  const seldom = {
    every: 3,
    run: async () => new Map([['seldom', seen.push(rounds)]]),
    close: async () => undefined,
  };
  const figures = await interleave([always, seldom], { rounds: 5, warmUp: 2 });
  expect(rounds).toBe(7);
  // Behind the first round of those that count, which is the third, and before the sixth, which begins with it.
  expect(seen).toEqual([2, 3, 5]);
  expect([...figures]).toEqual([['seldom', [2, 3]]]);
});

it('names each goal that was missed, and none that was met', () => {
  const figures = (gantry: number) => new Map(Object.entries({ gantry: [gantry], bare: [2], runc: [30] }));
  expect(missedGoals(figures(4))).toEqual([]);
  expect(missedGoals(figures(4.1))).toEqual(['a launch to its exit takes at most twice as long as bare']);
  expect(missedGoals(figures(30))).toHaveLength(2);
});

it('writes a table of Markdown with columns that line up', () => {
  const figures = new Map(Object.entries({ gantry: [5, 7, 6], bare: [2, 2, 2] }));
  expect(launchTable(figures).split('\n')).toEqual([
    '| /bin/true | p50 ms | p90 ms | × bare |',
    '| --------- | -----: | -----: | -----: |',
    '| gantry    |   6.00 |   7.00 |   3.00 |',
    '| bare      |   2.00 |   2.00 |   1.00 |',
  ]);
  expect(aloneTable('beside bare alone', new Map([...figures, ['step launch', [1]]])).split('\n')).toEqual([
    '| beside bare alone | p10 ms | × bare | p50 ms | × bare | p90 ms | × bare |',
    '| ----------------- | -----: | -----: | -----: | -----: | -----: | -----: |',
    '| gantry            |   5.00 |   2.50 |   6.00 |   3.00 |   7.00 |   3.50 |',
    '| bare              |   2.00 |   1.00 |   2.00 |   1.00 |   2.00 |   1.00 |',
  ]);
  expect(execTable(new Map(Object.entries({ gantry: [1.5], docker: [60] })))).toContain(
    '| docker            |  60.00 |',
  );
});
