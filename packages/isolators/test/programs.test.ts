import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.mjs';
import { withoutDescriptors } from '../../../test/support/without-descriptors.js';
import { runProgram } from '../src/programs.js';

const commandLines = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readWhole(`/proc/${pid}/cmdline`).split('\0').join(' ').trim());
const readWhole = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

const timeoutMs = 10_000;

describe('a program', () => {
  it('is run to its end, with its input and what it writes', async () => {
    const script = ['-c', 'cat; echo "$PATH" >&2; exit 3'];
    const result = await runProgram('/bin/sh', script, { input: 'given', timeoutMs });
    expect(result).toEqual({ code: 3, stdout: 'given', stderr: '/usr/sbin:/usr/bin:/sbin:/bin\n' });
  });

  it('is killed at its time, and when the caller wants no more of it', async () => {
    const late = runProgram('/bin/sleep', ['600'], { timeoutMs: 50 });
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    const aborted = runProgram('/bin/sleep', ['600'], { timeoutMs, signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('is killed with all that it has started', async () => {
    // Ends itself, and leaves one that holds its output.
    const late = runProgram('/bin/sh', ['-c', 'sleep 54321 & exit 0'], { timeoutMs: 300 });
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    const left = await eventually(
      async () => commandLines().filter((line) => line === 'sleep 54321'),
      (found) => found.length === 0,
    );
    expect(left).toEqual([]);
  });

  it.each(['/no/such/program', '/etc/passwd'])('is an error where it cannot be started: %s', async (path) => {
    await expect(runProgram(path, [], { timeoutMs })).rejects.toMatchObject({ message: expect.stringContaining(path) });
  });

  it('is an error, and no more than that, where there are no descriptors for it', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('uncaughtException', note);
    try {
      const code = expect.stringMatching(/^(SYSTEM|LIMIT_EXCEEDED)$/);
      await withoutDescriptors(() =>
        expect(runProgram('/bin/true', [], { timeoutMs })).rejects.toMatchObject({ code }),
      );
    } finally {
      process.off('uncaughtException', note);
    }
    expect(unhandled).toEqual([]);
  });
});
