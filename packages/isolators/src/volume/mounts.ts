import type { ContainerMount, OciMount } from '@gantry/interface';
import { normalTarget } from '../filesystem/targets.js';

/** A mount of the spec of one type, and where it goes. `filesystem/linux` checks the targets of all. */
export type Placed<T extends ContainerMount['type']> = Extract<ContainerMount, { readonly type: T }> & {
  readonly destination: string;
  /** Its place in the spec: `spec.mounts[2]`. */
  readonly field: string;
};

/** The mounts of a spec that are of this type. */
export function mountsOf<T extends ContainerMount['type']>(
  spec: { readonly mounts?: readonly ContainerMount[] },
  type: T,
): readonly Placed<T>[] {
  return (spec.mounts ?? []).flatMap((mount, index) =>
    mount.type === type
      ? [
          {
            ...mount,
            destination: normalTarget(mount.target) ?? mount.target,
            field: `spec.mounts[${index}]`,
          } as Placed<T>,
        ]
      : [],
  );
}

/**
 * A bind of a folder of ours, or of a driver's. Devices do not work on it: no isolator says which of the host's a container
 * may open.
 */
export function folderMount(source: string, destination: string, readonly = false): OciMount {
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', 'rnodev', readonly ? 'rro' : 'rw'] };
}
