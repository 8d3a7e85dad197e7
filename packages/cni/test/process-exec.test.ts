import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHostPrograms } from '@gantry/launcher';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.mjs';
import { withoutDescriptors } from '../../../test/support/without-descriptors.js';
import { type ExecOptions, ProcessExec } from '../src/index.js';
import { nodePrograms } from '../src/node-programs.js';

const timeoutMs = 30_000;

describe.each([
  ['Node.js', nodePrograms],
  ['the addon', createHostPrograms()],
])('a plugin’s process, by %s', (_, programs) => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-exec-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const plugin = (script: string) => {
    const path = join(folder, 'plugin');
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return path;
  };
  const run = (path: string, options: Partial<ExecOptions> & { stdin?: string; maxOutput?: number } = {}) => {
    const { stdin = '{}', maxOutput, ...given } = options;
    const exec = new ProcessExec({ programs, ...(maxOutput === undefined ? {} : { maxOutput }) });
    return exec.run({ path, stdin, environment: { PATH: '/usr/bin:/bin', GIVEN: 'ä=b' } }, { timeoutMs, ...given });
  };
  /** What a script has written into the folder. */
  const note = (name: string) => readFileSync(join(folder, name), 'utf8').trim();
  const noted = (name: string) =>
    eventually(
      async () => existsSync(join(folder, name)) && note(name) !== '',
      (is) => is,
    );

  it('has its input and environment, and gives back what it wrote and its status', async () => {
    const output = await run(plugin('cat; tr "\\0" "\\n" </proc/$$/environ >&2; exit 7'), {
      stdin: '{"ü":"\u{1F980}"}',
    });
    expect(output).toEqual({ stdout: '{"ü":"\u{1F980}"}', stderr: 'PATH=/usr/bin:/bin\nGIVEN=ä=b\n', code: 7 });
  });

  it('leads a session of its own, in the folder /, with signals as they are by default', async () => {
    const script = `read -r pid _ _ _ group session _ </proc/$$/stat
      [ $pid-$pid = $group-$session ] && echo leads; pwd; exec grep -E '^Sig(Blk|Ign)' /proc/self/status`;
    const { stdout } = await run(plugin(script));
    // Signals 32 and 33 are the C library's own, which has a program that it spawns ignore them.
    expect(stdout).toMatch(/^leads\n\/\nSigBlk:\t0{16}\nSigIgn:\t0{7}(00|18)0{7}\n$/);
  });

  it('may be ended by a signal', async () => {
    expect(await run(plugin('kill -SEGV $$'))).toEqual({ stdout: '', stderr: '', signal: 'SIGSEGV' });
  });

  it('takes more input, and gives more output, than fit a pipe', async () => {
    const stdin = 'x'.repeat(1_000_000);
    const { stdout, stderr } = await run(plugin('given=$(cat); printf %s "$given"; printf %s "$given" >&2'), { stdin });
    expect([stdout === stdin, stderr === stdin]).toEqual([true, true]);
  });

  it('need not read its input', async () => {
    const stdin = 'x'.repeat(3_000_000);
    expect(await run(plugin('exec <&-; echo read none'), { stdin })).toMatchObject({ stdout: 'read none\n', code: 0 });
  });

  it('is done when those that it started have closed its output, too', async () => {
    await run(plugin(`mkfifo ${folder}/go`));
    const running = run(plugin(`(read -r _ <${folder}/go; echo later) & echo first; echo $$ >${folder}/pid`));
    await noted('pid');
    await eventually(
      async () => isAlive(note('pid')),
      (is) => !is,
    );
    await writeFile(join(folder, 'go'), 'now\n');
    expect(await running).toEqual({ stdout: 'first\nlater\n', stderr: '', code: 0 });
  });

  it('is gone once it has ended, and has left no descriptors', async () => {
    const path = plugin('echo $$');
    await run(path);
    const before = readdirSync('/proc/self/fd').length;
    const { stdout } = await run(path);
    expect(existsSync(`/proc/${stdout.trim()}`)).toBe(false);
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });

  it('is killed at its time with what it has started, though it has ended itself', async () => {
    const path = plugin(`sleep 987 & echo $! >${folder}/pid; exit 0`);
    await expect(run(path, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'TIMEOUT', details: { path } });
    // What it wrote to is closed some moments before the kernel takes it for ended.
    const isLeft = await eventually(
      async () => isAlive(note('pid')),
      (is) => !is,
    );
    expect(isLeft).toBe(false);
  });

  it('is given up some time after it was killed, if something that has left its group keeps its output', async () => {
    const path = plugin(`setsid sh -c 'echo $$ >${folder}/pid; exec sleep 987' & wait`);
    const aborting = new AbortController();
    const running = run(path, { signal: aborting.signal });
    await noted('pid');
    aborting.abort();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect(isAlive(note('pid'))).toBe(true);
    process.kill(Number(note('pid')), 'SIGKILL');
  });

  it('is killed when it writes too much, to either stream', async () => {
    for (const stream of [1, 2]) {
      const path = plugin(`echo $$ >${folder}/pid; exec cat /dev/zero >&${stream}`);
      const details = { path, maxOutput: 100_000 };
      await expect(run(path, { maxOutput: 100_000 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', details });
      expect(isAlive(note('pid'))).toBe(false);
    }
    expect(await run(plugin('printf 12345'), { maxOutput: 5 })).toMatchObject({ stdout: '12345' });
  });

  it('is killed when its caller wants no more of it, and does not run if he never did', async () => {
    const path = plugin(`echo $$ >${folder}/pid; sleep 987`);
    await expect(run(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(existsSync(join(folder, 'pid'))).toBe(false);
    const aborting = new AbortController();
    const running = run(path, { signal: aborting.signal });
    await noted('pid');
    aborting.abort();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect(isAlive(note('pid'))).toBe(false);
  });

  it('that cannot be started is an error', async () => {
    const absent = join(folder, 'absent');
    await expect(run(absent)).rejects.toMatchObject({
      code: 'SYSTEM',
      message: expect.stringContaining(absent),
      details: { errno: 'ENOENT' },
    });
    writeFileSync(join(folder, 'plain'), '', { mode: 0o644 });
    await expect(run(join(folder, 'plain'))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      details: { errno: 'EACCES' },
    });
  });

  it('that there are no descriptors for is an error, and no more than that', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('uncaughtException', note).on('unhandledRejection', note);
    try {
      const code = expect.stringMatching(/^(SYSTEM|LIMIT_EXCEEDED)$/);
      await withoutDescriptors(() => expect(run('/bin/true')).rejects.toMatchObject({ code }));
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('uncaughtException', note).off('unhandledRejection', note);
    }
    expect(unhandled).toEqual([]);
  });

  it('holds up nothing, however many there are', async () => {
    await run(plugin(`mkfifo ${folder}/go`));
    const path = plugin(`exec cat ${folder}/go`);
    const callers = Array.from({ length: 20 }, () => new AbortController());
    const running = Promise.allSettled(callers.map(({ signal }) => run(path, { signal })));
    // By the pool of threads that reads all files.
    expect(await readFile('/proc/self/comm', 'utf8')).not.toBe('');
    for (const caller of callers) caller.abort();
    expect((await running).map(({ status }) => status)).toEqual(callers.map(() => 'rejected'));
  });
});

/** A zombie is not. */
function isAlive(pid: string): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
