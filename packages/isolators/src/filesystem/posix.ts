import type { Isolator } from '@gantry/interface';
import { refused } from '../errors.js';

const name = 'filesystem/posix';

/**
 * `filesystem/posix`: a folder of the host as the root, `/` for instance, with what is mounted there and nothing else: no file
 * systems of the container's own, no devices, nothing hidden. In place of `filesystem/linux`, and only where it is given to the
 * containerizer.
 */
export function filesystemPosix(): Isolator {
  return {
    name,
    async edits({ spec, image }) {
      if (image) throw refused(name, 'it runs no images', "give spec.rootfs, or use 'filesystem/linux'");
      if (spec.mounts && spec.mounts.length > 0) throw refused(name, 'it mounts nothing', "use 'filesystem/linux'");
      return { namespaces: [{ type: 'mount' }], rootReadonly: spec.readonlyRootfs ?? false };
    },
  };
}
