import { describe, expect, it } from 'vitest';
import { SharedWork } from '../src/shared-work.js';

/** Work that ends when the test says so, and counts how often it was begun. */
function controlled() {
  const begun: AbortSignal[] = [];
  let finish: (value: string) => void = () => undefined;
  let fail: (reason: unknown) => void = () => undefined;
  const start = (signal: AbortSignal) => {
    begun.push(signal);
    return new Promise<string>((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
  };
  return { begun, start, finish: (value: string) => finish(value), fail: (reason: unknown) => fail(reason) };
}

const never = new AbortController().signal;

describe('SharedWork', () => {
  it('is done once for all that want it, and anew once it is over', async () => {
    const shared = new SharedWork<string>();
    const work = controlled();
    const both = Promise.all([shared.join('a', never, work.start), shared.join('a', never, work.start)]);
    work.finish('done');
    expect(await both).toEqual(['done', 'done']);
    expect(work.begun).toHaveLength(1);
    const again = shared.join('a', never, work.start);
    work.finish('again');
    expect(await again).toBe('again');
    expect(work.begun).toHaveLength(2);
  });

  it('goes on for the others when who began it has gone', async () => {
    const shared = new SharedWork<string>();
    const work = controlled();
    const controller = new AbortController();
    const first = shared.join('a', controller.signal, work.start);
    const second = shared.join('a', never, work.start);
    controller.abort('gone');
    await expect(first).rejects.toBe('gone');
    expect(work.begun[0]?.aborted).toBe(false);
    work.finish('done');
    expect(await second).toBe('done');
  });

  it('is stopped when nobody is left, and begun anew for whoever comes then', async () => {
    const shared = new SharedWork<string>();
    const work = controlled();
    const controllers = [new AbortController(), new AbortController()];
    const all = controllers.map(({ signal }) => shared.join('a', signal, work.start));
    for (const controller of controllers) controller.abort('gone');
    for (const one of all) await expect(one).rejects.toBe('gone');
    expect(work.begun[0]?.aborted).toBe(true);
    const late = shared.join('a', never, work.start);
    expect(work.begun).toHaveLength(2);
    work.finish('done');
    expect(await late).toBe('done');
  });

  it('fails for all alike', async () => {
    const shared = new SharedWork<string>();
    const work = controlled();
    const both = [shared.join('a', never, work.start), shared.join('a', never, work.start)];
    work.fail('broken');
    for (const one of both) await expect(one).rejects.toBe('broken');
  });

  it('is not begun for a signal that has fired', async () => {
    const work = controlled();
    await expect(new SharedWork<string>().join('a', AbortSignal.abort('no'), work.start)).rejects.toBe('no');
    expect(work.begun).toHaveLength(0);
  });
});
