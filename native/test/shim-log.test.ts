import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { exec, logEntries, logged, run, shell, start } from './support/run.js';
import { launch, removeStateDirs, stateDir } from './support/shim-session.js';

afterEach(removeStateDirs);

const logOf = (folder: string) => logEntries(join(folder, 'log'));

/** All log files of a folder, oldest first. */
function rotated(folder: string): string[] {
  const number = (name: string) => Number(name.split('.')[1] ?? 0);
  return readdirSync(folder)
    .filter((name) => /^log(\.\d+)?$/.test(name))
    .sort((a, b) => number(b) - number(a))
    .map((name) => join(folder, name));
}

describe('the log', () => {
  it('has one entry a line, with its stream', async () => {
    const { folder } = await run(shell('printf "one\\n\\nthree\\n"; printf "bad\\n" >&2'));
    expect(logOf(folder).filter((entry) => entry.stream === 'stdout')).toEqual([
      { stream: 'stdout', whole: true, text: 'one' },
      { stream: 'stdout', whole: true, text: '' },
      { stream: 'stdout', whole: true, text: 'three' },
    ]);
    expect(logOf(folder).filter((entry) => entry.stream === 'stderr')).toEqual([
      { stream: 'stderr', whole: true, text: 'bad' },
    ]);
    expect(statSync(join(folder, 'log')).mode & 0o777).toBe(0o600);
  });

  it('marks what has no line end as a piece', async () => {
    const { folder } = await run(shell('printf "no end"'));
    expect(logOf(folder)).toEqual([{ stream: 'stdout', whole: false, text: 'no end' }]);
  });

  it('cuts a line that is longer than the buffer into pieces that add up', async () => {
    const { stdout, folder } = await run(shell('head -c 200000 /dev/zero | tr "\\0" x; echo'));
    expect(stdout).toBe(`${'x'.repeat(200_000)}\n`);
    const entries = logOf(folder);
    expect(entries.length).toBeGreaterThan(12);
    expect(entries.slice(0, -1).every((entry) => !entry.whole)).toBe(true);
    expect(entries.at(-1)?.whole).toBe(true);
  });

  it('keeps every byte', async () => {
    const { folder } = await run(shell('printf "\\001\\377\\000\\r\\nend\\n"'));
    expect(logOf(folder).map((entry) => entry.text)).toEqual(['\x01\xff\0\r', 'end']);
  });

  it('has all that was written just before the end', async () => {
    const { stdout } = await run(shell('seq 1 20000'));
    expect(stdout).toBe(Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join(''));
  });

  it('goes on when a stream is closed', async () => {
    const { stderr, stdout } = await run(shell('echo out; exec >&-; echo err >&2'));
    expect([stdout, stderr]).toEqual(['out\n', 'err\n']);
  });

  it('is there from the start, and not after a launch that came to nothing', async () => {
    const { shim, folder } = await launch(exec('/bin/true'));
    await shim.expect('hello');
    expect(logOf(folder)).toEqual([]);
    shim.close();
    await shim.closed();
  });
});

describe('rotation', () => {
  it('keeps the newest entries in the files it may keep, each within the size', async () => {
    const { folder } = await run(shell('seq 1 5000'), { logMaxBytes: 20_000, logMaxFiles: 3 });
    const files = rotated(folder);
    expect(files.map((file) => file.slice(folder.length + 1))).toEqual(['log.2', 'log.1', 'log']);
    for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(20_000);
    // The oldest line that is left may be the end of one that was cut by the rotation.
    const entries = files.flatMap((file) => logEntries(file));
    const text = entries.map((entry) => (entry.whole ? `${entry.text}\n` : entry.text)).join('');
    const numbers = text.trimEnd().split('\n').slice(1).map(Number);
    expect(numbers.at(-1)).toBe(5000);
    expect(numbers).toEqual(numbers.map((_, i) => 5001 - numbers.length + i));
    expect(numbers.length).toBeGreaterThan(800);
  });

  it('with one file starts it anew', async () => {
    const { folder } = await run(shell('seq 1 1000'), { logMaxBytes: 10_000, logMaxFiles: 1 });
    expect(rotated(folder)).toEqual([join(folder, 'log')]);
    expect(logged(folder, 'stdout')).toMatch(/\n1000\n$/);
  });

  it('is refused for a senseless number of files', async () => {
    const { shim } = await launch(exec('/bin/true'), { logMaxBytes: 1, logMaxFiles: 0 });
    expect(await shim.expect('failed')).toMatchObject({ name: 'shim: logMaxFiles' });
  });

  it('bounds the disk that a flood takes, while the shim still answers', async () => {
    const { shim, folder } = await start(exec('yes'), { logMaxBytes: 100_000, logMaxFiles: 2 });
    for (let request = 0; !existsSync(join(folder, 'log.1')); request++) {
      shim.send({ op: 'status', request });
      await shim.expect('hello');
      await shim.expect('done');
    }
    shim.send({ op: 'signal', request: 0, signal: constants.signals.SIGKILL });
    expect(await shim.expect('done')).toMatchObject({ errno: 0 });
    await shim.expect('exited');
    const sizes = rotated(folder).map((file) => statSync(file).size);
    expect(sizes.length).toBe(2);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(100_000);
  });
});

const notRoot = process.getuid?.() !== 0;

describe.skipIf(notRoot)(`a full disk${notRoot ? ' (skipped: mounting one needs root)' : ''}`, () => {
  it('loses output, and neither the container, nor an entry in half', async () => {
    const folder = stateDir();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    try {
      const { exit } = await run(shell('seq -f "line %09g" 1 20000; exit 5'), { stateDir: folder });
      expect(exit).toMatchObject({ type: 0, value: 5 });
      const entries = logOf(folder);
      expect(entries.length).toBeGreaterThan(100);
      expect(entries.length).toBeLessThan(20_000);
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  });
});
