import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf } from '@gantry/interface';
import { ContainerFolders, type VolumeFolders } from '../container-folders.js';
import { readDurable, writeDurably } from '../durable-json.js';
import { withLock } from '../file-lock.js';

/** A volume that is mounted, or about to be. */
export interface VolumeRecord {
  readonly driver: string;
  readonly name: string;
  /** For the plugin's own count of who has it mounted. */
  readonly mountId: string;
  readonly bootId: string;
  /** Once the plugin has said so. */
  readonly mountpoint?: string;
}

/**
 * Which volumes are mounted and which containers have them, written before it becomes so. Of a container: `<root>/docker-volumes/<place>/<id>`, with
 * `<index>`, a link to where the volume is mounted, and `<index>.volume`, which names it.
 */
export class VolumeRecords {
  readonly #root: string;
  readonly containers: ContainerFolders;

  constructor(folders: VolumeFolders) {
    this.#root = join(folders.root, 'docker-mounts', folders.place);
    this.containers = new ContainerFolders(folders, 'docker-volumes');
  }

  /** Where the document has the container's mount come from. */
  link(id: ContainerId, index: number): string {
    return join(this.containers.path(id), `${index}`);
  }

  /** Writes that a container is about to have a volume. */
  async announce(id: ContainerId, index: number, key: string): Promise<void> {
    await writeDurably(join(await this.containers.make(id), `${index}.volume`), { key });
  }

  async place(id: ContainerId, index: number, mountpoint: string): Promise<void> {
    const link = this.link(id, index);
    await rm(link, { force: true });
    await symlink(mountpoint, link);
  }

  /** Keys of the volumes that a container has, or was about to have. */
  async volumesOf(id: ContainerId): Promise<readonly string[]> {
    const folder = this.containers.path(id);
    if (!existsSync(folder)) return [];
    const names = (await readdir(folder)).filter((name) => name.endsWith('.volume'));
    const marks = await Promise.all(names.map((name) => readDurable<{ readonly key: string }>(join(folder, name))));
    return [...new Set(marks.flatMap((mark) => (mark ? [mark.key] : [])))];
  }

  /** One at a time of those who mount, or unmount, a volume. */
  locked<T>(key: string, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return withLock(join(this.#root, `${key}.lock`), run, signal);
  }

  read(key: string): Promise<VolumeRecord | undefined> {
    return readDurable(join(this.#root, key, 'record.json'));
  }

  write(key: string, record: VolumeRecord): Promise<void> {
    return writeDurably(join(this.#root, key, 'record.json'), record);
  }

  async addUser(key: string, id: ContainerId): Promise<void> {
    await mkdir(join(this.#root, key, 'users'), { recursive: true, mode: 0o700 });
    await writeFile(join(this.#root, key, 'users', id), '');
  }

  /** Whether nobody has the volume any more. */
  async removeUser(key: string, id: ContainerId): Promise<boolean> {
    const users = join(this.#root, key, 'users');
    await rm(join(users, id), { force: true });
    try {
      return (await readdir(users)).length === 0;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true;
      throw error;
    }
  }

  async forget(key: string): Promise<void> {
    await rm(join(this.#root, key), { recursive: true, force: true });
  }
}

/** A name for the folder of a volume. */
export function volumeKey(driver: string, name: string): string {
  return createHash('sha256')
    .update(JSON.stringify([driver, name]))
    .digest('hex')
    .slice(0, 32);
}
