import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '@gantry/interface';
import { nameOf } from './command.js';

/** Processes that were started as the stack of a network namespace, by their arguments, which every process shows to all. */
export function stacksOf(netNS: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isStackOf(argumentsOf(pid), netNS));
}

/** Whether these are the arguments of the stack of a network namespace. */
export function isStackOf([name = '', ...rest]: readonly string[], netNS: string): boolean {
  if (name === nameOf('slirp4netns', netNS)) return true;
  return name === nameOf('pasta', netNS) && rest.at(-2) === '--netns' && rest.at(-1) === netNS;
}

function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0$/, '').split('\0');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}
