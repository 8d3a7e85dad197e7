import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { errnoOf, type ProcessIdentity, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';

const { SIGKILL } = constants.signals;

let knownBootId: string | undefined;

/** The id of this boot; it cannot change while we run, so it is read once. */
export function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return knownBootId;
}

/** Start time and state out of the text of a `/proc/<pid>/stat`. The command's name may hold spaces and parentheses, so both are counted from its end. */
export function parseProcessStat(stat: string): { readonly state: string; readonly startTime: number } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTime = Number(fields[19]);
  return state && Number.isSafeInteger(startTime) ? { state, startTime } : undefined;
}

/** As {@link signalProcess} with SIGKILL. */
export function killProcess(identity: ProcessIdentity): Promise<boolean> {
  return signalProcess(identity, SIGKILL);
}

/**
 * Sends a signal to a process if it is still the one of this identity and alive; whether it was. The pidfd is opened
 * before the start time is compared, so the process that was looked at is the one that is signalled.
 */
export async function signalProcess(identity: ProcessIdentity, signal: number): Promise<boolean> {
  if (identity.bootId !== bootId() || !Number.isInteger(identity.pid) || identity.pid <= 1) return false;
  const system = addon();
  let pidfd: number | undefined;
  try {
    pidfd = system.pidfdOpen(identity.pid);
    const stat = parseProcessStat(await readFile(`/proc/${identity.pid}/stat`, 'latin1'));
    if (stat?.startTime !== identity.startTime || stat.state === 'Z' || stat.state === 'X') return false;
    system.pidfdSendSignal(pidfd, signal);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ESRCH' || errno === 'ENOENT') return false;
    throw toGantryError(error, `signalling process ${identity.pid}`);
  } finally {
    if (pidfd !== undefined) system.closeFd(pidfd);
  }
}
