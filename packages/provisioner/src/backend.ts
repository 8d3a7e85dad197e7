import type { BackendName, CallOptions, Rootfs } from '@gantry/interface';
import type { ContainerFolder } from './container-folder.js';

/**
 * Makes roots of layers. All that it makes lies in the container's folder, so that removing the folder undoes it, whoever
 * does that and whenever.
 */
export interface Backend {
  readonly name: BackendName;
  /** What `provision` is going to make, as a mount. `REFUSED` for layers of which this backend makes no root. */
  describe(layers: readonly string[], container: ContainerFolder): Rootfs['mount'];
  /** Fills the container's folder, in which `rootfs` is. Layers are lowest first, one at least. Undoes nothing when it fails. */
  provision(layers: readonly string[], container: ContainerFolder, options: CallOptions): Promise<void> | void;
}
