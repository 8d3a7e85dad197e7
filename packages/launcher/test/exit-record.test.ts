import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLauncher } from '../src/index.js';

async function read(text: string | undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-exit-'));
  try {
    if (text !== undefined) writeFileSync(join(folder, 'exit'), text);
    return await createLauncher().readExit(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the exit record', () => {
  it.each([
    ['exited 7\nat 1700000000123\nprocess 42 9000\n', { type: 'exited', code: 7, at: 1700000000123 }],
    ['signaled 9\nat 1700000000123\nprocess 42 9000\n', { type: 'signaled', signal: 'SIGKILL', at: 1700000000123 }],
    ['signaled 35\nat 1\nprocess 42 9000\n', { type: 'signaled', signal: 'SIGRTMIN+1', at: 1 }],
    [
      'failed 2\nat 1\nprocess 42 9000\n',
      { type: 'unknown', reason: 'its program could not be started: ENOENT, no such file or directory', at: 1 },
    ],
    [undefined, undefined],
  ])('%j says %j', async (text, status) => {
    expect(await read(text)).toEqual(status);
  });

  it.each(['', 'exited 7\n', 'exited 7\nat 17', 'exited x\nat 1\nprocess 1 1\n', 'exited 7\nat 1\nprocess 1 1\nmore'])(
    'torn as %j is CORRUPT_STATE',
    async (text) => {
      await expect(read(text)).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
    },
  );
});
