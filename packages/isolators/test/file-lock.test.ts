import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addon } from '@gantry/native';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-lock-'));
  path = join(folder, 'of', 'something.lock');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** As a process of its own would have it: it knows nothing of the others here, and shares the file system with them. */
async function stranger() {
  vi.resetModules();
  return (await import('../src/volume/file-lock.js')).withLock;
}

const openFiles = () =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // The one that listed them.
    }
  });

describe('a lock', () => {
  it('is held by one at a time, and leaves no file', async () => {
    let inside = 0;
    let most = 0;
    let turns = 0;
    const enter = async () => {
      most = Math.max(most, ++inside);
      await delay(1);
      turns++;
      inside--;
    };
    const lockers = [await stranger(), await stranger(), await stranger(), await stranger(), await stranger()];
    await Promise.all(lockers.flatMap((withLock) => Array.from({ length: 8 }, () => withLock(path, enter))));
    expect([most, turns]).toEqual([1, 40]);
    expect(readdirSync(join(folder, 'of'))).toEqual([]);
    expect(openFiles().filter((file) => file.startsWith(folder))).toEqual([]);
  });

  it('is let go of by one who fails', async () => {
    const withLock = await stranger();
    await expect(withLock(path, () => Promise.reject(new Error('as asked')))).rejects.toThrow('as asked');
    expect(await withLock(path, async () => 'held')).toBe('held');
    expect(await (await stranger())(path, async () => 'held')).toBe('held');
    expect(readdirSync(join(folder, 'of'))).toEqual([]);
  });

  it('is not of a file that whoever had it has removed meanwhile', async () => {
    const tryLock = addon().tryLock;
    vi.spyOn(addon(), 'tryLock').mockImplementationOnce((fd) => {
      rmSync(path);
      return tryLock(fd);
    });
    expect(await (await stranger())(path, async () => existsSync(path))).toBe(true);
  });

  it('is let go of by a process that dies', async () => {
    const withLock = await stranger();
    await withLock(path, async () => undefined);
    writeFileSync(path, '');
    const holder = spawn('flock', ['--no-fork', path, 'sh', '-c', 'echo held; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    let isDead = false;
    const waiting = withLock(path, async () => isDead);
    // Time to take it wrongly; none is needed to pass.
    await delay(100);
    isDead = true;
    holder.kill('SIGKILL');
    expect(await waiting).toBe(true);
  });
});
