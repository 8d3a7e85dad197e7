import { rm } from 'node:fs/promises';
import { errnoOf } from '@gantry/interface';
import { removeTree } from './apply-layer.js';
import { isOrdinary } from './namespace/start-worker.js';

/**
 * Removes what containers have written, and what was made for them: as {@link removeTree} does, without a worker where the host
 * program gets through by itself, which is quicker for what is small. An ordinary user's containers leave files of users that are
 * others on the host, and folders that even their owner may not open, as the kernel's in the work folder of an overlay.
 *
 * @throws `PERMISSION_DENIED`, `SYSTEM`, or the error of `fs.rm`.
 */
export async function removeFiles(path: string): Promise<void> {
  if (isOrdinary()) return removeTree(path);
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    // A container nests folders deeper than paths reach.
    if (errnoOf(error) !== 'ENAMETOOLONG') throw error;
    await removeTree(path);
  }
}
