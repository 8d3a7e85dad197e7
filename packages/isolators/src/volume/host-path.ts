import { existsSync } from 'node:fs';
import type { Isolator, OciMount } from '@gantry/interface';
import { checkOwner, folderMaker } from './folder-owner.js';
import { hostMount } from './host-mount.js';
import { makeSource } from './host-source.js';
import { identityOf, lookAt } from './identity.js';
import { checkIdmapping } from './idmapping.js';
import { mountsOf } from './mounts.js';
import { checkPropagation } from './propagation.js';

const name = 'volume/host_path';

/** `volume/host_path`: files and folders of the host, as `bind` mounts of the spec. */
export function volumeHostPath(): Isolator {
  return {
    name,
    serves: ['mounts.bind'],
    after: ['filesystem/*'],
    async edits({ spec }) {
      const mounts = mountsOf(spec, 'bind');
      const edits = await Promise.all(
        mounts.map(async (mount): Promise<OciMount> => {
          if (!mount.create) await lookAt(name, mount.source, mount.field);
          else if (!existsSync(mount.source)) {
            checkOwner(name, `${mount.field}.create`, mount.create, folderMaker());
          }
          if (mount.idmap) await checkIdmapping(name, mount.source, mount.field, mount.recursive !== false);
          if (mount.propagation && mount.propagation !== 'private') await checkPropagation(mount);
          return hostMount(mount);
        }),
      );
      return edits.length > 0 ? { mounts: edits } : {};
    },
    prepares: ({ spec }) => (spec.mounts ? 'anything' : 'nothing'),
    async prepare({ id, spec }) {
      for (const mount of mountsOf(spec, 'bind')) {
        if (mount.create) await makeSource(mount, id);
      }
    },
    async pins({ spec }) {
      const pins: Record<string, string> = {};
      for (const { source, destination, field } of mountsOf(spec, 'bind')) {
        pins[destination] = identityOf(await lookAt(name, source, field));
      }
      return pins;
    },
  };
}
