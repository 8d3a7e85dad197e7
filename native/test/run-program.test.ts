import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packageFolder } from '../src/addon.js';

// What it does otherwise is tried in @gantry/cni, for which it is made.

let folder: string;
let program: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-program-'));
  program = join(folder, 'program');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('gives a program no descriptor but its streams, though the host program was started with others', () => {
  writeFileSync(program, '#!/bin/sh\nexec ls /proc/self/fd\n', { mode: 0o755 });
  const script = `
    const [, packageFolder, program] = process.argv;
    const { runProgram } = require('node-gyp-build')(packageFolder);
    runProgram(program, ['PATH=/bin'], '', 100).ended.then(({ stdout }) => console.log(stdout));`;
  const host = [process.execPath, '-e', script, packageFolder, program];
  const options = { cwd: packageFolder, encoding: 'utf8' } as const;
  const listed = execFileSync('bash', ['-c', 'exec 251</dev/null; exec "$@"', '-', ...host], options);
  // The last one is that of the listing.
  expect(listed.trim().split('\n')).toEqual(['0', '1', '2', '3']);
});

it('outlives the worker thread that waits for a program, and leaves nothing of it', async () => {
  const fifo = join(folder, 'fifo');
  writeFileSync(program, `#!/bin/sh\nread -r _ <${fifo}\n`, { mode: 0o755 });
  execFileSync('mkfifo', [fifo]);
  const script = `
    const { readdirSync } = require('node:fs');
    const { open } = require('node:fs/promises');
    const { Worker } = require('node:worker_threads');
    const [, packageFolder, program, fifo] = process.argv;
    const { runProgram } = require('node-gyp-build')(packageFolder);
    const code = \`
      const { workerData: [packageFolder, program], parentPort } = require('node:worker_threads');
      const { runProgram } = require('node-gyp-build')(packageFolder);
      runProgram(program, [], '', 10).ended.then(() => parentPort.postMessage('ended'));\`;
    const threads = () => readdirSync('/proc/self/task').length;
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const round = async () => {
      const worker = new Worker(code, { eval: true, workerData: [packageFolder, program] });
      // It has started and reads once this is open.
      const writing = await open(fifo, 'w');
      await worker.terminate();
      await writing.close();
    };
    const settled = async (isSo) => { while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5)); };
    (async () => {
      await round();
      const before = [threads(), descriptors()];
      for (let i = 0; i < 20; i++) await round();
      await settled(() => threads() <= before[0] && descriptors() <= before[1]);
      console.log(await runProgram('/bin/true', [], '', 10).ended);
    })();`;
  const args = ['-e', script, packageFolder, program, fifo];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: packageFolder, timeout: 50_000 });
  expect(stdout).toContain('code: 0');
});
