import { maxUnpacking, prepareToApply } from '@gantry/archive';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isRoot, needsRoot } from './sandbox.js';

describe.skipIf(!isRoot)(`threads that are started ahead (${needsRoot})`, () => {
  it('are as many as can be used, however many ask, each in a turn before that of what comes next', async () => {
    let turn = 0;
    let counting = true;
    const count = () => {
      turn++;
      if (counting) setImmediate(count);
    };
    const started: number[] = [];
    const onWorker = () => started.push(turn);
    process.on('worker', onWorker);
    onTestFinished(() => {
      counting = false;
      process.removeListener('worker', onWorker);
    });
    count();

    await Promise.all([prepareToApply(100), prepareToApply(100), prepareToApply(1)]);
    const next = turn;
    expect(started).toHaveLength(maxUnpacking);
    expect(new Set([...started, next]).size).toBe(maxUnpacking + 1);

    await prepareToApply(100);
    expect(started).toHaveLength(maxUnpacking);
  });
});
