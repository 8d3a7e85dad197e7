import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ProcessIdentity } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { createLauncher } from '../src/index.js';
import { parseProcessStat } from '../src/shim/process-identity.js';

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

async function sleeper() {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  const startTime = Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ')[21]);
  const identity: ProcessIdentity = { pid, startTime, bootId };
  return { child, ended: once(child, 'exit'), identity };
}

describe('killOrphan', () => {
  it('ends the very process and no other of its pid', async () => {
    const launcher = createLauncher();
    const { child, ended, identity } = await sleeper();
    expect(await launcher.killOrphan({ ...identity, startTime: identity.startTime + 1 })).toBe(false);
    expect(await launcher.killOrphan({ ...identity, bootId: 'another boot' })).toBe(false);
    expect(child.kill(0)).toBe(true);
    expect(await launcher.killOrphan(identity)).toBe(true);
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(await launcher.killOrphan(identity)).toBe(false);
  });

  it('touches neither init nor process groups', async () => {
    for (const pid of [1, 0, -1, 1.5]) {
      expect(await createLauncher().killOrphan({ pid, startTime: 0, bootId })).toBe(false);
    }
  });
});

describe('the stat of a process', () => {
  it('is counted after the last parenthesis', () => {
    const fields = ['R', ...Array.from({ length: 48 }, (_, index) => `${index + 4}`)].join(' ');
    expect(parseProcessStat(`42 (a) R) 1 2) ${fields}\n`)).toEqual({ state: 'R', startTime: 22 });
    expect(parseProcessStat('')).toBeUndefined();
  });
});
