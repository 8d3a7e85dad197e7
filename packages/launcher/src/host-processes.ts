import { readFileSync } from 'node:fs';
import { errnoOf, type HostProcesses, type ProcessIdentity, toGantryError } from '@gantry/interface';
import { bootId, killProcess, parseProcessStat } from './shim/process-identity.js';

/** Processes as procfs and pidfds know them. */
export function createHostProcesses(): HostProcesses {
  return { identify, kill: killProcess };
}

function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    if (!stat || stat.state === 'Z' || stat.state === 'X') return undefined;
    return { pid, startTime: stat.startTime, bootId: bootId() };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw toGantryError(error, `looking at process ${pid}`);
  }
}
