import { readFileSync } from 'node:fs';

/** Names this process so that no later one is taken for it. */
export function thisProcess(): string {
  return JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid), boot: boot() });
}

/** Whether the process of such a name still runs; false for what is none. */
export function isRunning(mark: string): boolean {
  try {
    const { pid, startTime, boot: of } = JSON.parse(mark) as Record<string, unknown>;
    return typeof pid === 'number' && of === boot() && startTimeOf(pid) === startTime;
  } catch {
    return false;
  }
}

function boot(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Field 22 of proc(5)'s stat, which the kernel gives once. */
function startTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]);
  } catch {
    return undefined;
  }
}
