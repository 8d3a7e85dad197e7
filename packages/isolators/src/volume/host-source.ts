import { chmod, chown, mkdir, rename, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type BindMount, errnoOf, toGantryError, type VolumeOwner } from '@gantry/interface';

/** Makes the folder of a `bind` that asks for it, unless something is there. It is never seen with another mode or owner. */
export async function makeSource(mount: BindMount, id: string): Promise<void> {
  const { source, create = {} } = mount;
  try {
    if (await exists(source)) return;
    await mkdir(dirname(source), { recursive: true, mode: 0o755 });
    await makeFolder(source, join(dirname(source), `.${basename(source)}.${id}`), create);
  } catch (error) {
    throw toGantryError(error, `volume/host_path: making the source ${source}`);
  }
}

/** Makes a folder of a mode and an owner in one step, by way of `staging` beside it; one that is there meanwhile stays. */
export async function makeFolder(path: string, staging: string, owner: VolumeOwner): Promise<void> {
  await rmdir(staging).catch(() => undefined);
  await mkdir(staging, { mode: 0o700 });
  try {
    await chown(staging, owner.uid ?? 0, owner.gid ?? 0);
    await chmod(staging, owner.mode ?? 0o755);
    await rename(staging, path);
  } catch (error) {
    await rmdir(staging).catch(() => undefined);
    const errno = errnoOf(error);
    // Another made it meanwhile, and there is something in it.
    if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST') throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
