/** How disks are limited. */
export interface DiskOptions {
  /** A folder for what has to be known in the next host program. */
  readonly stateFolder: string;
  /**
   * `quota`: by project quotas of XFS or ext4, or not at all. `polling`: by measuring. `auto` (default): by quotas
   * where the file system has them.
   */
  readonly enforce?: 'auto' | 'quota' | 'polling';
  /** What becomes of a container that is found over its limit by measuring: it is ended (default), or that is only reported. */
  readonly onLimit?: 'end' | 'report';
  /** Milliseconds between two measurements. Default 15,000. A measurement that takes long is followed by a longer pause. */
  readonly intervalMs?: number;
  /** Project ids, from 1 to 2^32 - 2, that are Gantry's on every file system it uses. Default 2^20 from 2^30 on. */
  readonly projects?: { readonly first: number; readonly count: number };
}

export const defaultIntervalMs = 15_000;
export const defaultProjects = { first: 2 ** 30, count: 2 ** 20 };
