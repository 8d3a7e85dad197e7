import { describe, expect, it } from 'vitest';
import { FollowSlots } from '../src/follow-slots.js';
import { makeGate } from './gate.js';

const never = new Promise<void>(() => undefined);

describe('FollowSlots', () => {
  it('go round in the order in which they were asked for', async () => {
    const slots = new FollowSlots(1);
    const first = await slots.take(never);
    const got: string[] = [];
    const [second, third] = ['second', 'third'].map(async (name) => {
      const giveBack = await slots.take(never);
      got.push(name);
      return giveBack;
    });
    expect(got).toEqual([]);
    first?.();
    (await second)?.();
    await third;
    expect(got).toEqual(['second', 'third']);
  });

  it('are not for a blob that has settled, which lets the next one before', async () => {
    const slots = new FollowSlots(1);
    const held = await slots.take(never);
    const settled = makeGate();
    const late = slots.take(settled.pass());
    const next = slots.take(never);
    settled.open();
    expect(await late).toBeUndefined();
    held?.();
    expect(await next).toBeTypeOf('function');
  });

  it('that are given back are free', async () => {
    const slots = new FollowSlots(2);
    for (let round = 0; round < 3; round++) {
      const held = [await slots.take(never), await slots.take(never)];
      for (const giveBack of held) giveBack?.();
    }
  });
});
