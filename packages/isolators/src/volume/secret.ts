import type { Isolator, OciMount, SecretFile, SecretReference, SecretResolver } from '@gantry/interface';
import { refused } from '../errors.js';
import { mountsOf, type Placed } from './mounts.js';
import { maxSecretBytes, resolveSecret, withoutResolver } from './resolve-secret.js';

const name = 'volume/secret';
const defaultMode = 0o400;

/** `volume/secret`: secrets as files that are in the container's memory alone. */
export function volumeSecret(options: { readonly secrets?: SecretResolver }): Isolator {
  const { secrets: resolver } = options;
  return {
    name,
    serves: ['mounts.secret'],
    after: ['filesystem/*'],
    async edits({ spec }) {
      const mounts = mountsOf(spec, 'secret');
      const [first] = mounts;
      if (!first) return {};
      if (!resolver) throw withoutResolver(name, first.field);
      return {
        mounts: mounts.map(secretMount),
        secretFiles: mounts.flatMap((mount) => secretFiles(mount).map(([file]) => file)),
      };
    },
    async secrets(spec, use, call = {}) {
      const mounts = mountsOf(spec, 'secret');
      if (use === 'exec' || mounts.length === 0) return {};
      const files = new Map<string, Uint8Array>();
      let size = 0;
      for (const mount of mounts) {
        for (const [file, reference] of secretFiles(mount)) {
          const content = await resolveSecret(name, resolver, reference, {
            field: mount.field,
            container: spec.id,
            ...call,
          });
          size += content.length;
          files.set(file.id, content);
        }
      }
      if (size <= maxSecretBytes) return { files };
      throw refused(name, `the secret files have ${size} bytes together`, `give them ${maxSecretBytes} at most`);
    },
  };
}

/** Noexec and read-only are the launcher's to see to, and in the document for those who read it. */
function secretMount({ destination }: Placed<'secret'>): OciMount {
  return { destination, type: 'ramfs', source: 'secret', options: ['nosuid', 'nodev', 'noexec', 'ro', 'mode=0755'] };
}

function secretFiles(mount: Placed<'secret'>): readonly (readonly [SecretFile, SecretReference])[] {
  const { destination, mode = defaultMode, uid = 0, gid = 0 } = mount;
  const file = { destination, mode, uid, gid };
  if (mount.secret) return [[{ id: destination, ...file }, mount.secret]];
  return Object.entries(mount.files ?? {}).map(([name, reference]) => [
    { id: `${destination}/${name}`, name, ...file },
    reference,
  ]);
}
