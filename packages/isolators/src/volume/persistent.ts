import { existsSync } from 'node:fs';
import { type Isolator, toGantryError } from '@gantry/interface';
import { checkOwner, folderMaker } from './folder-owner.js';
import { folderMount, mountsOf } from './mounts.js';
import type { PersistentVolumes } from './persistent-volumes.js';

const name = 'volume/persistent';

/** `volume/persistent`: folders that outlive containers. Mesos has them in filesystem/linux. */
export function volumePersistent(options: { readonly volumes: PersistentVolumes }): Isolator {
  const { volumes } = options;
  return {
    name,
    serves: ['mounts.persistent'],
    after: ['filesystem/*'],
    async edits({ spec }) {
      const mounts = mountsOf(spec, 'persistent').map((mount) => {
        const path = volumes.path(mount.id);
        if (mount.owner && !existsSync(path)) checkOwner(name, `${mount.field}.owner`, mount.owner, folderMaker());
        return folderMount(path, mount.destination, mount.readonly);
      });
      return mounts.length > 0 ? { mounts } : {};
    },
    prepares: ({ spec }) => (spec.mounts ? 'anything' : 'nothing'),
    async prepare({ id, spec }, { signal } = {}) {
      for (const mount of mountsOf(spec, 'persistent')) {
        try {
          await volumes.take(mount.id, id, mount.owner, signal);
        } catch (error) {
          throw toGantryError(error, `${name}: making the volume ${mount.id}`);
        }
      }
    },
    cleanup: (id) => volumes.letGo(id),
    list: () => volumes.users(),
  };
}
