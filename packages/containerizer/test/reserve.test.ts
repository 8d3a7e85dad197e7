import type { Isolator, PrepareContext } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { reserve } from '../src/reserve.js';
import { checkSpec } from '../src/spec.js';
import { refuseUnserved } from '../src/unserved.js';

const context = { id: 'a' } as PrepareContext;
const told: string[] = [];
const taking = (name: string): Isolator => ({
  name,
  edits: async () => ({}),
  async reserve() {
    told.push(`take ${name}`);
    return {
      async [Symbol.asyncDispose]() {
        told.push(`let go ${name}`);
      },
    };
  },
});
const failing: Isolator = {
  name: 'fails',
  edits: async () => ({}),
  reserve: () => Promise.reject(new Error('as asked')),
};
const nothing: Isolator = { name: 'nothing', edits: async () => ({}), reserve: async () => undefined };

describe('what isolators take for a launch', () => {
  it('is let go of in reverse, once', async () => {
    told.length = 0;
    const taken = await reserve(
      [taking('one'), nothing, { name: 'none', edits: async () => ({}) }, taking('two')],
      context,
      {},
    );
    for (const _ of [1, 2]) await taken[Symbol.asyncDispose]();
    expect(told).toEqual(['take one', 'take two', 'let go two', 'let go one']);
  });

  it('is let go of if another cannot take what it needs', async () => {
    told.length = 0;
    await expect(reserve([taking('one'), failing, taking('two')], context, {})).rejects.toThrow('as asked');
    expect(told).toEqual(['take one', 'let go one']);
  });

  it('is not taken for an aborted launch', async () => {
    told.length = 0;
    await expect(reserve([taking('one')], context, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect(told).toEqual([]);
  });
});

describe('the GPUs of a spec', () => {
  const spec = (gpus: unknown) =>
    checkSpec({ image: 'busybox', resources: { gpus } } as Parameters<typeof checkSpec>[0]);

  it('are a number, or names', () => {
    for (const gpus of [0, 2, [], ['0', 'GPU-1234']]) expect(spec(gpus).resources?.gpus).toEqual(gpus);
    for (const gpus of [-1, 0.5, '1', null, true]) {
      expect(() => spec(gpus)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'spec.resources.gpus' } }),
      );
    }
    expect(() => spec(['0', ''])).toThrow(expect.objectContaining({ details: { field: 'spec.resources.gpus[1]' } }));
  });

  it('are refused where no isolator serves them', () => {
    expect(() => refuseUnserved(spec(1), [])).toThrow(
      expect.objectContaining({ code: 'REFUSED', details: { field: 'spec.resources.gpus', serves: 'resources.gpus' } }),
    );
    expect(() => refuseUnserved(spec(0), [])).not.toThrow();
    expect(() => refuseUnserved(spec(1), [{ ...nothing, serves: ['resources.gpus'] }])).not.toThrow();
  });
});
