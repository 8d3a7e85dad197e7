import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { errnoOf } from '@gantry/interface';
import { refused } from '../errors.js';

/** Looks at a source on the host; `REFUSED` if it is not there. */
export async function lookAt(isolator: string, source: string, field: string): Promise<BigIntStats> {
  try {
    return await stat(source, { bigint: true });
  } catch (cause) {
    const absent = errnoOf(cause) === 'ENOENT' || errnoOf(cause) === 'ENOTDIR';
    throw refused(
      isolator,
      absent ? `the source ${source} does not exist` : `the source ${source} cannot be reached`,
      absent ? 'create it first' : 'let the host program reach it',
      { cause, details: { field, path: source, errno: errnoOf(cause) } },
    );
  }
}

/** What a launch checks the source by: `DEVICE:INODE`. */
export function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}
