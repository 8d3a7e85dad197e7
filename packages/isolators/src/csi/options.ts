import type { SecretResolver } from '@gantry/interface';
import type { VolumeFolders } from '../volume/container-folders.js';

/** A CSI driver: a program that listens at a Unix socket. */
export interface CsiDriver {
  /** Path of the socket of its node service. */
  readonly node: string;
  /** Path of the socket of its controller service, if that is another. */
  readonly controller?: string;
}

export interface VolumeCsiOptions {
  /** By the names that specs use. */
  readonly drivers: Readonly<Record<string, CsiDriver>>;
  /** Where records, staging and target folders are; `root` and a name that tells this state root from others. */
  readonly volumes: VolumeFolders;
  /** Who knows the secrets that mounts refer to. */
  readonly secrets?: SecretResolver;
  /** For one call of a driver. Default 120 000. */
  readonly timeoutMs?: number;
}
