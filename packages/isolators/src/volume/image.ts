import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Isolator, type OciMount, type PrepareContext, toGantryError } from '@gantry/interface';
import { refused } from '../errors.js';
import { ContainerFolders, type VolumeFolders } from './container-folders.js';
import { mountsOf, type Placed } from './mounts.js';

const name = 'volume/image';

/** `volume/image`: the root file systems of other images. Read-only, or with a writable folder of the container's own above. */
export function volumeImage(options: VolumeFolders): Isolator {
  const uppers = new ContainerFolders(options, 'image-volumes');
  return {
    name,
    serves: ['mounts.image'],
    after: ['filesystem/*'],
    async edits(context) {
      const mounts = mountsOf(context.spec, 'image').map((mount, index) =>
        imageMount(mount, layersOf(mount, context), join(uppers.path(context.id), `${index}`), hasUserXattr(context)),
      );
      return mounts.length > 0 ? { mounts } : {};
    },
    prepares: ({ spec }) => (spec.mounts ? 'anything' : 'nothing'),
    async prepare({ id, spec }) {
      for (const [index, { field }] of mountsOf(spec, 'image').entries()) {
        try {
          const folder = join(await uppers.make(id), `${index}`);
          for (const part of ['upper', 'work']) await mkdir(join(folder, part), { recursive: true, mode: 0o755 });
        } catch (error) {
          throw toGantryError(error, `${name}: making the folders of ${field}`);
        }
      }
    },
    cleanup: (id) => uppers.remove(id),
    list: () => uppers.list(),
  };
}

/** Whether the root's own overlay belongs to a user namespace: so do these then. */
function hasUserXattr({ rootfs: { mount } }: PrepareContext): boolean {
  return mount.type === 'overlay' && mount.userxattr === true;
}

/** Lowest first. */
function layersOf(mount: Placed<'image'>, context: PrepareContext): readonly string[] {
  const layers = context.images?.get(mount.target)?.layerPaths;
  if (layers && layers.length > 0) return layers;
  throw refused(name, `${mount.field}: the image ${mount.image} has no layers to mount`, 'mount another', {
    details: { field: mount.field, image: mount.image },
  });
}

/**
 * `folder` holds the writable layer, also of a read-only mount: the kernel makes no overlay of a single folder, and none that is
 * idmapped, without. Pure.
 */
export function imageMount(
  mount: Placed<'image'>,
  layers: readonly string[],
  folder: string,
  userxattr = false,
): OciMount {
  const { destination, readonly = true } = mount;
  const lower = [...layers].reverse().map((layer) => layer.replaceAll(':', '\\:'));
  return {
    destination,
    type: 'overlay',
    source: 'overlay',
    options: [
      'nodev',
      readonly ? 'ro' : 'rw',
      `lowerdir=${lower.join(':')}`,
      `upperdir=${join(folder, 'upper')}`,
      `workdir=${join(folder, 'work')}`,
      ...(userxattr ? ['userxattr'] : []),
    ],
  };
}
