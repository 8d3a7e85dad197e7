import { type Isolator, toGantryError } from '@gantry/interface';
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
      const mounts = mountsOf(spec, 'persistent').map((mount) =>
        folderMount(volumes.path(mount.id), mount.destination, mount.readonly),
      );
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
