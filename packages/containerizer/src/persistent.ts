import type { Volumes } from '@gantry/interface';
import { checkId } from './spec.js';

/** The persistent volumes as a host program is given them. */
export function volumesOf(volumes: Volumes, checkOpen: () => void): Volumes {
  return {
    list() {
      checkOpen();
      return volumes.list();
    },
    async remove(id) {
      checkOpen();
      checkId(id);
      return volumes.remove(id);
    },
  };
}
