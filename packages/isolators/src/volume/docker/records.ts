import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerId } from '@gantry/interface';
import type { VolumeFolders } from '../container-folders.js';
import { VolumeRecords } from '../volume-records.js';

/** A volume that is mounted, or about to be. */
export interface DockerRecord {
  readonly driver: string;
  readonly name: string;
  /** For the plugin's own count of who has it mounted. */
  readonly mountId: string;
  readonly bootId: string;
  /** Once the plugin has said so. */
  readonly mountpoint?: string;
}

/** Beside the marks of a container there is for each of its mounts `<index>`, a link to where the volume is mounted. */
export class DockerRecords extends VolumeRecords<DockerRecord> {
  constructor(folders: VolumeFolders) {
    super(folders, { volumes: 'docker-mounts', containers: 'docker-volumes' });
  }

  /** Where the document has the container's mount come from. */
  link(id: ContainerId, index: number): string {
    return join(this.containers.path(id), `${index}`);
  }

  async place(id: ContainerId, index: number, mountpoint: string): Promise<void> {
    const link = this.link(id, index);
    await rm(link, { force: true });
    await symlink(mountpoint, link);
  }
}
