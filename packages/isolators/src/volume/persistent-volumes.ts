import { existsSync } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf, GantryError, type PersistentVolume, type VolumeOwner } from '@gantry/interface';
import { ContainerFolders, type VolumeFolders } from './container-folders.js';
import { makeFolder } from './host-source.js';
import { isRunning, thisProcess } from './process-mark.js';

/**
 * Folders that outlive containers, `<root>/persistent/volumes/<id>`, and who uses them: a file a container and volume, named
 * `<root>/persistent/users/<place>/<container>/<volume>`. Host programs that share `root` share them, too.
 *
 * Who takes a volume writes his mark and then looks for one who is removing it; who removes it writes his, and then looks
 * for users. So of two who come together at least one sees the other and gives up.
 */
export class PersistentVolumes {
  readonly #root: string;
  readonly #users: ContainerFolders;

  constructor(folders: VolumeFolders) {
    this.#root = join(folders.root, 'persistent');
    this.#users = new ContainerFolders({ ...folders, root: this.#root }, 'users');
  }

  path(id: string): string {
    return join(this.#root, 'volumes', id);
  }

  /** Makes the volume if there is none, and keeps it from removal until the container is cleaned up. */
  async take(id: string, container: ContainerId, owner: VolumeOwner = {}): Promise<void> {
    await mkdir(join(this.#root, 'volumes'), { recursive: true, mode: 0o711 });
    const marks = await this.#users.make(container);
    await writeFile(join(marks, id), '');
    if (await this.#isBeingRemoved(id)) {
      throw new GantryError('REFUSED', `volume/persistent: the volume ${id} is being removed; try again`, {
        details: { isolator: 'volume/persistent', volume: id },
      });
    }
    if (existsSync(this.path(id))) return;
    await makeFolder(this.path(id), join(this.#root, 'volumes', `.${id}.${container}`), owner);
    await flush(join(this.#root, 'volumes'));
  }

  /** Lets go of all that a container has taken. */
  letGo(container: ContainerId): Promise<void> {
    return this.#users.remove(container);
  }

  /** Containers of this state root that have taken volumes. */
  async *users(): AsyncIterable<ContainerId> {
    await this.#sweep();
    yield* this.#users.list();
  }

  async *list(): AsyncIterable<PersistentVolume> {
    const users = await this.#usersByVolume();
    for (const id of await namesIn(join(this.#root, 'volumes'))) {
      if (id.startsWith('.')) continue;
      const { mode, uid, gid } = await stat(this.path(id));
      yield { id, path: this.path(id), owner: { mode: mode & 0o7777, uid, gid }, users: users.get(id) ?? [] };
    }
  }

  /** Removes a volume with all in it; false if there is none. `WRONG_STATE` while a container uses it. */
  async remove(id: string): Promise<boolean> {
    const removal = join(this.#root, 'removals', id);
    if (!existsSync(this.path(id))) return false;
    await mkdir(join(this.#root, 'removals'), { recursive: true, mode: 0o700 });
    if (await this.#isBeingRemoved(id)) throw inUse(id, 'it is being removed by another host program');
    await writeFile(removal, thisProcess());
    try {
      const users = (await this.#usersByVolume()).get(id) ?? [];
      if (users.length > 0) throw inUse(id, `${users.join(', ')} uses it; destroy what uses it first`);
      const trash = join(this.#root, 'removals', `.${id}.${process.pid}`);
      await rename(this.path(id), trash);
      await rm(trash, { recursive: true, force: true });
      return true;
    } finally {
      await rm(removal, { force: true });
    }
  }

  /** Removes what those who were removing volumes had moved away when they died. */
  async #sweep(): Promise<void> {
    const removals = join(this.#root, 'removals');
    for (const name of await namesIn(removals)) {
      const pid = /^\..*\.(\d+)$/.exec(name)?.[1];
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
      await rm(join(removals, name), { recursive: true, force: true });
    }
  }

  async #isBeingRemoved(id: string): Promise<boolean> {
    const removal = join(this.#root, 'removals', id);
    try {
      if (isRunning(await readFile(removal, 'utf8'))) return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    // Its host program is gone.
    await rm(removal, { force: true });
    return false;
  }

  /** Of every state root that shares the volumes. */
  async #usersByVolume(): Promise<Map<string, ContainerId[]>> {
    const users = new Map<string, ContainerId[]>();
    const root = join(this.#root, 'users');
    for (const place of await namesIn(root)) {
      for (const container of await namesIn(join(root, place))) {
        for (const volume of await namesIn(join(root, place, container))) {
          users.set(volume, [...(users.get(volume) ?? []), container]);
        }
      }
    }
    return users;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await lstat(folder)).isDirectory() ? await readdir(folder) : [];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function flush(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function inUse(id: string, why: string): GantryError {
  return new GantryError('WRONG_STATE', `removing the volume ${id}: ${why}`, { details: { volume: id } });
}
