import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 50;

/** Asks again and again until the answer is good or the time is up, and gives the last answer. */
export async function eventually<T>(
  ask: () => Promise<T>,
  isGood: (answer: T) => boolean,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isGood(answer) || performance.now() >= deadline) return answer;
    await delay(pollMs);
  }
}
