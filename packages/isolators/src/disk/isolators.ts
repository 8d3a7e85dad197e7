import type { Isolator } from '@gantry/interface';
import { diskDu } from './du.js';
import type { DiskOptions } from './options.js';
import { diskXfs } from './xfs.js';

/** The isolators of `limits.disk`. Both, whatever is to be used: what containers were launched with may have been another. */
export function diskIsolators(options: DiskOptions): Isolator[] {
  return [diskDu(options), diskXfs(options)];
}
