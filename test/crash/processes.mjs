import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '@gantry/interface';

/** Whether there is such a process, and it is not a zombie. @param {number} pid */
export function isRunning(pid) {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Kills the shims of containers, and says how many there were. @param {readonly string[]} ids */
export function killShims(ids) {
  const shims = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && ids.includes(shimOf(name) ?? ''));
  return shims.filter(kill).length;
}

/** False for a process that has ended by itself. @param {string} pid */
function kill(pid) {
  try {
    return process.kill(Number(pid), 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** The container whose shim this is. @param {string} pid */
function shimOf(pid) {
  try {
    const [name, id] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    return name === 'gantry-shim' ? id?.trim() : undefined;
  } catch {
    return undefined; // It has ended.
  }
}
