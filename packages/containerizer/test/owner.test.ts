import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { isProcessAlive } from '../src/owner.js';

/** Fields of `/proc/<pid>/stat` from the third, the state, on. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

it('takes a process that has ended for gone, though its parent has not asked for its status', async () => {
  // What sh started is left to sleep, which asks for nobody's status.
  const parent = spawn('sh', ['-c', '(read line <&3) & echo $!; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  try {
    const [line] = (await once(parent.stdio[1] as Readable, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isProcessAlive(process.pid, Number(statOf(process.pid)[19]))).toBe(true);
    (parent.stdio[3] as Writable).end('go\n');
    await expect.poll(() => statOf(pid)[0]).toBe('Z');
    expect(isProcessAlive(pid, Number(statOf(pid)[19]))).toBe(false);
  } finally {
    parent.kill('SIGKILL');
  }
});
