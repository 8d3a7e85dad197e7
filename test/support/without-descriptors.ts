import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync } from 'node:fs';

/** Runs something, and what it leaves for the next turn of the loop, while this process can open no more files. */
export async function withoutDescriptors<T>(run: () => Promise<T>): Promise<T> {
  const limit = (...options: string[]) =>
    spawnSync('prlimit', ['--pid', `${process.pid}`, ...options], { encoding: 'utf8' }).stdout.trim();
  const before = limit('--nofile', '--output=SOFT', '--noheadings', '--raw');
  limit(`--nofile=${Math.max(...readdirSync('/proc/self/fd').map(Number)) + 8}:`);
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    // There is none left.
  }
  try {
    const result = await run();
    await new Promise(setImmediate);
    return result;
  } finally {
    for (const fd of taken) closeSync(fd);
    limit(`--nofile=${before}:`);
  }
}
