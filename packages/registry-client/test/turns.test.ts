import { stat } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ownTurn, untilTimeIsLeft } from '../src/turns.js';

/** Holds the thread. */
function work(milliseconds: number): void {
  const start = performance.now();
  while (performance.now() - start < milliseconds);
}

describe('work on what came in one turn of the event loop', () => {
  it('is done in several if it takes long, in the order in which it came', async () => {
    let turn = 0;
    let counting = true;
    const count = () => {
      turn++;
      if (counting) setImmediate(count);
    };
    count();
    const done: number[] = [];
    const perTurn = new Map<number, number>();
    const all = Array.from({ length: 12 }, async (_, index) => {
      await new Promise((resolve) => setImmediate(resolve));
      await untilTimeIsLeft();
      work(1);
      done.push(index);
      perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
    });
    await Promise.all(all);
    counting = false;
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(3);
  });

  it('is begun at once', async () => {
    let turned = false;
    await new Promise((resolve) => setImmediate(resolve));
    setImmediate(() => {
      turned = true;
    });
    await untilTimeIsLeft();
    expect(turned).toBe(false);
  });
});

describe('a turn of its own', () => {
  it('is a later one than that which brings the event, and no other caller has it', async () => {
    let turn = 0;
    let counting = true;
    const count = () => {
      turn++;
      if (counting) setImmediate(count);
    };
    count();
    const turns = await new Promise<number[]>((resolve) => {
      stat('/', () => {
        // What is counted is the end of each turn.
        const brought = turn + 1;
        const own = () => ownTurn().then(() => turn - brought);
        resolve(Promise.all([own(), own(), own()]));
      });
    });
    counting = false;
    expect(turns[0]).toBeGreaterThan(0);
    expect(new Set(turns).size).toBe(3);
  });
});
