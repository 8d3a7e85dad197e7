import { readdir } from 'node:fs/promises';
import { errnoOf } from '@gantry/interface';

/** The names in a folder; none if it is not there. */
export async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
