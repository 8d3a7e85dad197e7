import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf, type SecretReference } from '@gantry/interface';
import { ContainerFolders, type VolumeFolders } from '../volume/container-folders.js';
import { readDurable, writeDurably } from '../volume/durable-json.js';
import { withLock } from '../volume/file-lock.js';

/** How far a volume has come on this machine. Each field is written before the call that it announces; no secret is in it. */
export interface CsiRecord {
  readonly driver: string;
  /** Absent until it is made. */
  readonly volumeId?: string;
  readonly context: Readonly<Record<string, string>>;
  /** Of the references by which the calls' secrets are found again. */
  readonly secrets: Readonly<Record<string, SecretReference>>;
  readonly nodeId?: string;
  readonly publishContext?: Readonly<Record<string, string>>;
  readonly staged?: boolean;
  /** The boot in which all of it was done; else what is to be undone may be half there. */
  readonly readyIn?: string;
}

/**
 * Volumes: `<root>/csi-volumes/<place>/<key>` with the record, the staging folder and a file for each container that has it. Containers:
 * `<root>/csi/<place>/<id>` with `<index>`, where the driver publishes, and `<index>.volume`.
 */
export class CsiRecords {
  readonly #root: string;
  readonly containers: ContainerFolders;

  constructor(folders: VolumeFolders) {
    this.#root = join(folders.root, 'csi-volumes', folders.place);
    this.containers = new ContainerFolders(folders, 'csi');
  }

  target(id: ContainerId, index: number): string {
    return join(this.containers.path(id), `${index}`);
  }

  staging(key: string): string {
    return join(this.#root, key, 'staging');
  }

  async announce(id: ContainerId, index: number, key: string): Promise<void> {
    await writeDurably(join(await this.containers.make(id), `${index}.volume`), { key });
  }

  /** What a container has, or was about to have: the numbers of its mounts with the volumes' keys. */
  async mountsOf(id: ContainerId): Promise<readonly { readonly index: number; readonly key: string }[]> {
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

  /** Forgets a mount that the driver has unpublished. Fails, and loses nothing, if it is still mounted. */
  async removeMount(id: ContainerId, index: number): Promise<void> {
    await removeFolder(this.target(id, index));
    await rm(join(this.containers.path(id), `${index}.volume`), { force: true });
  }

  async removeContainer(id: ContainerId): Promise<void> {
    const folder = this.containers.path(id);
    if (!existsSync(folder)) return;
    for (const name of await readdir(folder)) if (name.endsWith('.tmp')) await rm(join(folder, name), { force: true });
    await removeFolder(folder);
  }

  locked<T>(key: string, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return withLock(join(this.#root, `${key}.lock`), run, signal);
  }

  read(key: string): Promise<CsiRecord | undefined> {
    return readDurable(join(this.#root, key, 'record.json'));
  }

  write(key: string, record: CsiRecord): Promise<void> {
    return writeDurably(join(this.#root, key, 'record.json'), record);
  }

  async addUser(key: string, id: ContainerId, index: number): Promise<void> {
    await writeDurably(join(this.#root, key, 'users', `${id}.${index}`), {});
  }

  /** Whether nobody has the volume any more. */
  async removeUser(key: string, id: ContainerId, index: number): Promise<boolean> {
    const users = join(this.#root, key, 'users');
    await rm(join(users, `${id}.${index}`), { force: true });
    try {
      return (await readdir(users)).length === 0;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true;
      throw error;
    }
  }

  async makeStaging(key: string): Promise<string> {
    await mkdir(this.staging(key), { recursive: true, mode: 0o750 });
    return this.staging(key);
  }

  /** Forgets a volume that the driver has unstaged. */
  async forget(key: string): Promise<void> {
    await removeFolder(this.staging(key));
    await rm(join(this.#root, key), { recursive: true, force: true });
  }
}

/** Never with what is in it: that would be a volume's. */
async function removeFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** A name for the folder of a volume. */
export function csiKey(driver: string, volume: string): string {
  return createHash('sha256')
    .update(JSON.stringify([driver, volume]))
    .digest('hex')
    .slice(0, 32);
}
