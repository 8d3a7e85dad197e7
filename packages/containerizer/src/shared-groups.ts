import { type ContainerId, GantryError } from '@gantry/interface';
import type { Container } from './container.js';

/** The container whose control groups a container is in: itself, or the nearest ancestor that does not share its parent's. */
export function groupOwner(container: Container, containers: ReadonlyMap<ContainerId, Container>): Container {
  const { parent, shareCgroups } = container.spec;
  const above = shareCgroups && parent !== undefined ? containers.get(parent) : undefined;
  return above ? groupOwner(above, containers) : container;
}

/** `UNSUPPORTED` for what would be done to the parent too. */
export function refuseShared({ id, spec }: Container, what: string): void {
  if (!spec.shareCgroups) return;
  throw new GantryError(
    'UNSUPPORTED',
    `${what} container ${id}: it is in the control groups of ${spec.parent}: do that to ${spec.parent}`,
    { details: { id, parent: spec.parent } },
  );
}

/** `WRONG_STATE` for the end of a container that is paused with its parent: it could only be let go with that. */
export function refuseFrozenWithParent({ id, spec, state }: Container): void {
  if (!spec.shareCgroups || state !== 'PAUSED') return;
  throw new GantryError(
    'WRONG_STATE',
    `container ${id} is paused with its parent, in whose control groups it is: resume ${spec.parent} first`,
    { details: { id, state, parent: spec.parent } },
  );
}
