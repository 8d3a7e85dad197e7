import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';

/**
 * Runs something, and what it leaves for the next turn of the loop, while this process can open no more files.
 * Another process sets the limit and takes it back: this one could start none for that.
 */
export async function withoutDescriptors<T>(run: () => Promise<T>): Promise<T> {
  const script = [
    'before=$(prlimit --pid "$PPID" --nofile --output=SOFT --noheadings --raw)',
    'prlimit --pid "$PPID" --nofile=0: && echo limited && read -r _',
    'prlimit --pid "$PPID" --nofile="$before":',
  ];
  const limiter = spawn('/bin/sh', ['-c', script.join('\n')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(limiter, 'close');
  await Promise.race([once(limiter.stdout, 'data'), ended]);
  try {
    expectRefusal();
    const result = await run();
    await new Promise(setImmediate);
    return result;
  } finally {
    limiter.stdin.end('\n');
    await ended;
  }
}

function expectRefusal(): void {
  let fd: number;
  try {
    fd = openSync('/dev/null', 'r');
  } catch {
    return;
  }
  throw new Error(`the limit of open files was not set: prlimit(1) must work here, and descriptor ${fd} was opened`);
}
