import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf, type SecretReference } from '@gantry/interface';
import type { VolumeFolders } from '../volume/container-folders.js';
import { VolumeRecords } from '../volume/volume-records.js';

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
 * Beside the record of a volume is its staging folder; beside the marks of a container there is for each of its mounts `<index>`, where
 * the driver publishes.
 */
export class CsiRecords extends VolumeRecords<CsiRecord> {
  constructor(folders: VolumeFolders) {
    super(folders, { volumes: 'csi-volumes', containers: 'csi' });
  }

  target(id: ContainerId, index: number): string {
    return join(this.containers.path(id), `${index}`);
  }

  staging(key: string): string {
    return join(this.folder(key), 'staging');
  }

  async makeStaging(key: string): Promise<string> {
    await mkdir(this.staging(key), { recursive: true, mode: 0o750 });
    return this.staging(key);
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

  /** As for others; fails, and loses nothing, if the driver has not unstaged it. */
  override async forget(key: string): Promise<void> {
    await removeFolder(this.staging(key));
    await super.forget(key);
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
