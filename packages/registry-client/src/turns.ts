import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds after which what is left to do waits for the next turn of the event loop. */
const turnMs = 2;

let startedAt: number | undefined;

let lastTurn = Promise.resolve();

/**
 * Gives each caller a turn of the event loop of its own, for what takes milliseconds: a connection or a request, the first of its kind
 * above all. `setImmediate` alone is run at the end of the turn under way, and would add to what that has brought.
 */
export function ownTurn(): Promise<void> {
  lastTurn = lastTurn.then(() => nextTurn()).then(() => nextTurn());
  return lastTurn;
}

/**
 * Resolves when there is time to work on what a response has brought: many of them may come in one turn of the event loop, which
 * belongs to the host program. Those that wait go on in their order.
 */
export async function untilTimeIsLeft(): Promise<void> {
  while (performance.now() - turnStart() > turnMs) await nextTurn();
}

/** When the first who asked in this turn did. */
function turnStart(): number {
  if (startedAt === undefined) {
    startedAt = performance.now();
    setImmediate(() => {
      startedAt = undefined;
    });
  }
  return startedAt;
}
