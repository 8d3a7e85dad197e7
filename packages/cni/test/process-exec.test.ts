import { describe, expect, it } from 'vitest';
import { withoutDescriptors } from '../../../test/support/without-descriptors.js';
import { ProcessExec } from '../src/index.js';

describe('a plugin’s process', () => {
  it('that there are no descriptors for is an error, and no more than that', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('uncaughtException', note).on('unhandledRejection', note);
    try {
      const call = { path: '/bin/true', stdin: '{}', environment: {} };
      const code = expect.stringMatching(/^(SYSTEM|LIMIT_EXCEEDED)$/);
      await withoutDescriptors(() =>
        expect(new ProcessExec().run(call, { timeoutMs: 10_000 })).rejects.toMatchObject({ code }),
      );
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('uncaughtException', note).off('unhandledRejection', note);
    }
    expect(unhandled).toEqual([]);
  });
});
