import type { ContainerId, ContainerMount, PrepareContext, SandboxMount } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { normalTarget } from '../filesystem/targets.js';
import type { FolderInside } from './inside.js';
import { mountsOf, type Placed } from './mounts.js';

/** Where the folder of a `sandbox` mount is. */
export interface SandboxSource extends FolderInside {
  readonly destination: string;
  readonly readonly: boolean;
  /** Options that hold for the parent's mount of it, too. */
  readonly attributes: readonly string[];
  /** Whose sandbox `base` is, if it is one: it is made as needed. */
  readonly container?: ContainerId;
}

interface Places {
  sandbox(id: ContainerId): string;
  persistent(id: string): string;
}

type Ancestor = NonNullable<PrepareContext['parent']>;

/** Finds what a `sandbox` mount is of. Pure. `INVALID_ARGUMENT` without a parent, or such a volume of it. */
export function sandboxSource(
  isolator: string,
  mount: Placed<'sandbox'>,
  context: Pick<PrepareContext, 'id' | 'parent'>,
  places: Places,
): SandboxSource {
  const owner = ownerOf(mount, context);
  const inside = normalInside(mount);
  const base = baseOf(isolator, mount, owner, places);
  return {
    base: base.path,
    inside,
    path: inside === '.' ? base.path : `${base.path}/${inside}`,
    field: mount.field,
    destination: mount.destination,
    readonly: (mount.readonly ?? false) || base.readonly,
    attributes: base.attributes,
    ...(base.container === undefined ? {} : { container: base.container }),
  };
}

interface Owner {
  readonly id: ContainerId;
  readonly parent?: Ancestor;
}

function ownerOf(mount: Placed<'sandbox'>, { id, parent }: Pick<PrepareContext, 'id' | 'parent'>): Owner {
  if (mount.of === 'self') {
    if (mount.volume !== undefined) throw invalidField(`${mount.field}.volume`, "is for a folder of the parent's");
    return { id, ...(parent ? { parent } : {}) };
  }
  if (!parent?.spec.id) throw invalidField(`${mount.field}.of`, 'the container has no parent');
  return { id: parent.spec.id, parent };
}

interface Base {
  readonly path: string;
  readonly readonly: boolean;
  readonly attributes: readonly string[];
  readonly container?: ContainerId;
}

function baseOf(isolator: string, mount: Placed<'sandbox'>, owner: Owner, places: Places): Base {
  if (mount.volume === undefined) {
    return { path: places.sandbox(owner.id), readonly: false, attributes: [], container: owner.id };
  }
  const parent = owner.parent;
  const target = normalTarget(mount.volume);
  const held = parent?.spec.mounts?.find((other) => normalTarget(other.target) === target);
  if (!parent || !held) throw invalidField(`${mount.field}.volume`, `the parent mounts nothing at ${mount.volume}`);
  return volumeOf(isolator, mount, held, parent, places);
}

function volumeOf(
  isolator: string,
  mount: Placed<'sandbox'>,
  held: ContainerMount,
  parent: Ancestor,
  places: Places,
): Base {
  if (held.type === 'persistent') {
    return { path: places.persistent(held.id), readonly: held.readonly ?? false, attributes: [] };
  }
  if (held.type === 'bind' && !held.idmap) {
    const attributes = [...(held.noexec ? ['rnoexec'] : []), ...(held.nosuid ? ['rnosuid'] : [])];
    return { path: held.source, readonly: (held.readonly ?? false) !== false, attributes };
  }
  if (held.type === 'sandbox') {
    const placed = mountsOf(parent.spec, 'sandbox').find(({ target }) => target === held.target);
    if (placed) {
      const context = { id: parent.spec.id ?? '', ...(parent.parent ? { parent: parent.parent } : {}) };
      const { path, readonly, attributes } = sandboxSource(isolator, placed, context, places);
      return { path, readonly, attributes };
    }
  }
  throw refused(
    isolator,
    `${mount.field}: the parent's mount at ${mount.volume} is not a folder that can be shared`,
    'share a bind without idmap, a persistent volume, or a sandbox',
    { details: { field: `${mount.field}.volume` } },
  );
}

function normalInside(mount: SandboxMount & { readonly field: string }): string {
  const normal = normalTarget(`/${mount.path}`);
  if (mount.path.startsWith('/') || mount.path === '' || normal === undefined) {
    throw invalidField(`${mount.field}.path`, "must be a relative path without '..'");
  }
  return normal === '/' ? '.' : normal.slice(1);
}
