import { spawn } from 'node:child_process';
import { getSystemErrorMap } from 'node:util';
import { GantryError } from '@gantry/interface';
import { shimPath } from './shim.js';

/**
 * Why what is mounted at a path cannot be seen through other ids (an idmapped mount), by the name of an errno; undefined if it can. `EINVAL`:
 * its file system cannot, or it is idmapped already. With `recursive` all that is mounted below must, too. Tried, in a process of its own.
 */
export async function idmapObstacle(path: string, recursive = false): Promise<string | undefined> {
  const child = spawn(shimPath, ['try-idmap', path, recursive ? '1' : '0'], { stdio: 'ignore', env: {} });
  const errno = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  }).catch((cause: unknown) => {
    throw new GantryError('SYSTEM', `starting ${shimPath}: ${(cause as Error).message}`, { cause });
  });
  if (errno === 0) return undefined;
  return getSystemErrorMap().get(-(errno ?? 0))?.[0] ?? 'UNKNOWN';
}
