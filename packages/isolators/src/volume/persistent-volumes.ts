import { randomUUID } from 'node:crypto';
import { existsSync, type Stats } from 'node:fs';
import { lstat, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf, GantryError, type PersistentVolume, type VolumeOwner } from '@gantry/interface';
import { ContainerFolders, removeAsOwnUser, type VolumeFolders } from './container-folders.js';
import { flush } from './durable-json.js';
import { withLock } from './file-lock.js';
import { makeFolder } from './host-source.js';

/**
 * Folders that outlive containers, `<root>/persistent/volumes/<id>`, and who uses them: a file a container and volume, named
 * `<root>/persistent/users/<place>/<container>/<volume>`. Host programs that share `root` share them, too.
 *
 * Who takes a volume and who removes it hold its lock, neither for long: a volume that is removed gets another name first, in
 * the same folder, as one that belongs to a container's user may be moved to no other. Names with a dot are no volumes'.
 */
export class PersistentVolumes {
  readonly #root: string;
  readonly #volumes: string;
  readonly #users: ContainerFolders;
  readonly #removeTree: (path: string) => Promise<void>;

  constructor(folders: VolumeFolders) {
    this.#root = join(folders.root, 'persistent');
    this.#volumes = join(this.#root, 'volumes');
    this.#removeTree = folders.removeTree ?? removeAsOwnUser;
    this.#users = new ContainerFolders({ ...folders, root: this.#root }, 'users');
  }

  path(id: string): string {
    return join(this.#volumes, id);
  }

  /** Makes the volume if there is none, and keeps it from removal until the container is cleaned up. */
  async take(id: string, container: ContainerId, owner: VolumeOwner = {}, signal?: AbortSignal): Promise<void> {
    await mkdir(this.#volumes, { recursive: true, mode: 0o711 });
    const take = async () => {
      await writeFile(join(await this.#users.make(container), id), '');
      if (existsSync(this.path(id))) return;
      await makeFolder(this.path(id), join(this.#volumes, `.${id}`), owner);
      await flush(this.#volumes);
    };
    await withLock(this.#lockOf(id), take, signal);
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
    for (const id of await namesIn(this.#volumes)) {
      if (id.startsWith('.')) continue;
      const found = await statOf(this.path(id));
      // One that was removed meanwhile.
      if (!found) continue;
      const { mode, uid, gid } = found;
      yield { id, path: this.path(id), owner: { mode: mode & 0o7777, uid, gid }, users: users.get(id) ?? [] };
    }
  }

  /** Removes a volume with all in it; false if there is none. `WRONG_STATE` while a container uses it. */
  async remove(id: string): Promise<boolean> {
    if (!existsSync(this.path(id))) return false;
    const trash = join(this.#volumes, `.${id}~${randomUUID()}`);
    const moveAway = async () => {
      if (!existsSync(this.path(id))) return false;
      const users = (await this.#usersByVolume()).get(id) ?? [];
      if (users.length > 0) throw inUse(id, users);
      await rename(this.path(id), trash);
      await flush(this.#volumes);
      return true;
    };
    const isAway = await withLock(this.#lockOf(id), moveAway);
    if (isAway) await this.#removeTree(trash);
    return isAway;
  }

  #lockOf(id: string): string {
    return join(this.#root, 'locks', id);
  }

  /** Removes what those who were making or removing volumes left when they died. Of those who live it takes nothing that they need. */
  async #sweep(): Promise<void> {
    for (const name of await namesIn(this.#volumes)) {
      if (!name.startsWith('.')) continue;
      const remove = () => this.#removeTree(join(this.#volumes, name));
      await withLock(this.#lockOf(name.slice(1)), remove);
    }
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

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function inUse(id: string, users: readonly ContainerId[]): GantryError {
  const message = `removing the volume ${id}: ${users.join(', ')} uses it; destroy what uses it first`;
  return new GantryError('WRONG_STATE', message, { details: { volume: id } });
}
