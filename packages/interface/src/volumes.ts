import type { ContainerId } from './container.js';
import type { VolumeOwner } from './mounts.js';

/** A folder that outlives the containers that mount it; see `PersistentMount`. */
export interface PersistentVolume {
  readonly id: string;
  /** On the host. */
  readonly path: string;
  readonly owner: Required<VolumeOwner>;
  /** The containers that have it, of every host program that shares the folder. */
  readonly users: readonly ContainerId[];
}

/** The persistent volumes of a containerizer's `root`. They are made by the first container that mounts them. */
export interface Volumes {
  list(): AsyncIterable<PersistentVolume>;
  /** Removes a volume with all in it; false if there is none. `WRONG_STATE` while a container uses it. */
  remove(id: string): Promise<boolean>;
}
