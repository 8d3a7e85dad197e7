import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf } from '@gantry/interface';
import { ContainerFolders, type VolumeFolders } from './container-folders.js';
import { readDurable, writeDurably } from './durable-json.js';
import { withLock } from './file-lock.js';

/** A mount of a container: its place among those of its type, and the key of its volume. */
export interface VolumeMark {
  readonly index: number;
  readonly key: string;
}

/**
 * What drivers' volumes are on the way to, and who has them, written before it becomes so. Volumes: `<root>/<volumes>/<place>/<key>`
 * with the record and a file for each user. Containers: `<root>/<containers>/<place>/<id>` with `<index>.volume`, which names the volume.
 */
export class VolumeRecords<R extends object> {
  readonly #root: string;
  readonly containers: ContainerFolders;

  constructor(folders: VolumeFolders, kinds: { readonly volumes: string; readonly containers: string }) {
    this.#root = join(folders.root, kinds.volumes, folders.place);
    this.containers = new ContainerFolders(folders, kinds.containers);
  }

  folder(key: string): string {
    return join(this.#root, key);
  }

  /** One at a time of those who attach, or let go of, a volume. */
  locked<T>(key: string, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return withLock(`${this.folder(key)}.lock`, run, signal);
  }

  read(key: string): Promise<R | undefined> {
    return readDurable(join(this.folder(key), 'record.json'));
  }

  write(key: string, record: R): Promise<void> {
    return writeDurably(join(this.folder(key), 'record.json'), record);
  }

  async forget(key: string): Promise<void> {
    await rm(this.folder(key), { recursive: true, force: true });
  }

  /** Writes that a container is about to have a volume. */
  async announce(id: ContainerId, { index, key }: VolumeMark): Promise<void> {
    await writeDurably(join(await this.containers.make(id), `${index}.volume`), { key });
  }

  /** What a container has, or was about to have. */
  async mountsOf(id: ContainerId): Promise<readonly VolumeMark[]> {
    const folder = this.containers.path(id);
    if (!existsSync(folder)) return [];
    const found = (await readdir(folder)).filter((name) => name.endsWith('.volume'));
    const mounts = await Promise.all(
      found.map(async (name) => {
        const mark = await readDurable<{ readonly key: string }>(join(folder, name));
        return mark ? [{ index: Number.parseInt(name, 10), key: mark.key }] : [];
      }),
    );
    return mounts.flat();
  }

  /** Not flushed: after a power cut no container has any volume. */
  async addUser(key: string, user: string): Promise<void> {
    const users = join(this.folder(key), 'users');
    await mkdir(users, { recursive: true, mode: 0o700 });
    await writeFile(join(users, user), '');
  }

  /** Whether nobody has the volume any more. */
  async removeUser(key: string, user: string): Promise<boolean> {
    const users = join(this.folder(key), 'users');
    await rm(join(users, user), { force: true });
    try {
      return (await readdir(users)).length === 0;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true;
      throw error;
    }
  }
}

/** A name for the folder of a driver's volume. */
export function volumeKey(driver: string, volume: string): string {
  return createHash('sha256')
    .update(JSON.stringify([driver, volume]))
    .digest('hex')
    .slice(0, 32);
}

/** Tells this run of the machine from others. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
