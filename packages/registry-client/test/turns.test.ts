import { stat } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ownTurn, untilTimeIsLeft } from '../src/turns.js';

/** Holds the thread. */
function work(milliseconds: number): void {
  const start = performance.now();
  while (performance.now() - start < milliseconds);
}

/** Counts the turns of the event loop that have ended, until it is disposed. */
class TurnCount implements Disposable {
  ended = 0;
  #next = setImmediate(() => this.#count());

  #count(): void {
    this.ended++;
    this.#next = setImmediate(() => this.#count());
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#next);
  }
}

describe('work on what came in one turn of the event loop', () => {
  it('is done in several if it takes long, in the order in which it came', async () => {
    using turns = new TurnCount();
    const done: number[] = [];
    const perTurn = new Map<number, number>();
    const all = Array.from({ length: 12 }, async (_, index) => {
      await new Promise((resolve) => setImmediate(resolve));
      await untilTimeIsLeft();
      work(1);
      done.push(index);
      perTurn.set(turns.ended, (perTurn.get(turns.ended) ?? 0) + 1);
    });
    await Promise.all(all);
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
    using turns = new TurnCount();
    const owns = await new Promise<number[]>((resolve) => {
      stat('/', () => {
        const brought = turns.ended + 1;
        const own = () => ownTurn().then(() => turns.ended - brought);
        resolve(Promise.all([own(), own(), own()]));
      });
    });
    expect(owns[0]).toBeGreaterThan(0);
    expect(new Set(owns).size).toBe(3);
  });
});
