import { readFileSync } from 'node:fs';
import { errnoOf } from '@gantry/interface';

/** What procfs tells of one process. */
export interface ProcessFigures {
  /** Nanoseconds of processor time, its own and of children that it has waited for. */
  readonly user: number;
  readonly system: number;
  /** Bytes of memory that it holds now; what processes share counts for each. */
  readonly resident: number;
}

/** Every architecture's USER_HZ. */
const tick = 10_000_000;
/** The line VmRSS of a status file is in these. */
const kibibyte = 1024;

/** A process and all below it that have not gone their own way (a parent that has ended leaves them to another). */
export function processTree(pid: number): ProcessFigures[] {
  const found: ProcessFigures[] = [];
  const pending = [pid];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const stat = readProc(`/proc/${next}/stat`);
    if (stat === undefined) continue;
    // Counted after the name in parentheses, which may hold anything: utime is field 14 of proc(5), so here 11.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = (index: number) => Number(fields[index] ?? 0) * tick;
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`/proc/${next}/status`) ?? '')?.[1] ?? 0;
    found.push({
      user: ticks(11) + ticks(13),
      system: ticks(12) + ticks(14),
      resident: Number(resident) * kibibyte,
    });
    const children = readProc(`/proc/${next}/task/${next}/children`) ?? '';
    pending.push(...children.split(' ').filter(Boolean).map(Number));
  }
  return found;
}

/** Undefined for a process that has ended. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ESRCH') return undefined;
    throw error;
  }
}
