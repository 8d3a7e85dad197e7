import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** Resolves once no process has this id, or only one that has ended and waits to be reaped by init. */
export async function processGone(pid: number): Promise<void> {
  for (;;) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    } catch {
      return;
    }
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return;
    await setImmediate();
  }
}
