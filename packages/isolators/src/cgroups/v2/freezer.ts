import { constants, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';
import type { Patience } from '../freezing.js';
import { readIfThere } from '../text-files.js';

/**
 * Freezes or thaws a group; false if there is none. Kernel documentation, admin-guide/cgroup-v2, "cgroup.freeze". A frozen
 * process can be killed as any other.
 */
export async function freezeGroup(folder: string, frozen: boolean, patience: Patience): Promise<boolean> {
  const before = await readIfThere(join(folder, 'cgroup.freeze'));
  if (before === undefined) {
    if (!existsSync(folder)) return false;
    if (!frozen) return true;
    throw new GantryError('UNSUPPORTED', `${folder} has no cgroup.freeze: use Linux 5.2 or later`);
  }
  try {
    await write(folder, frozen ? '1' : '0');
    const wanted = frozen ? /^frozen 1$/m : /^frozen 0$/m;
    // A group that goes away meanwhile has nothing left to wait for.
    await patience.until(async () => wanted.test((await readIfThere(join(folder, 'cgroup.events'))) ?? 'frozen 0'));
    return true;
  } catch (error) {
    if (frozen && before.trim() === '0') await write(folder, '0');
    throw error;
  }
}

async function write(folder: string, value: '0' | '1'): Promise<void> {
  const file = join(folder, 'cgroup.freeze');
  try {
    await writeFile(file, value, { flag: constants.O_WRONLY });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ENODEV') throw toGantryError(error, `writing ${value} to ${file}`);
  }
}
