import { constants } from 'node:fs';
import { mkdir, open, rename, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type BindMount, errnoOf, toGantryError, type VolumeOwner } from '@gantry/interface';
import { addon } from '@gantry/native';

/** Who is root in containers with the host program's default users: an ordinary user is, of his own. */
export const rootOfContainers = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

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
    // By its descriptor: the folder around it may be somebody's who puts a link in its place.
    await using made = await open(staging, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    await made.chown(owner.uid || rootOfContainers.uid, owner.gid || rootOfContainers.gid);
    await made.chmod(owner.mode ?? 0o755);
    await renameNew(staging, path);
  } catch (error) {
    await rmdir(staging).catch(() => undefined);
    const errno = errnoOf(error);
    // Another made it meanwhile.
    if (errno !== 'EEXIST' && errno !== 'ENOTEMPTY') throw error;
  }
}

/** An empty folder that is there may be in use: rename(2) alone would put another in its place. */
async function renameNew(from: string, to: string): Promise<void> {
  try {
    addon().renameNew(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
    // File systems over a network cannot do better.
    await rename(from, to);
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
