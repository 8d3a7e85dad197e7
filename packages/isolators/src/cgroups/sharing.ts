import type { PrepareContext } from '@gantry/interface';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';

/** The group of the ancestor in which a container with `shareCgroups` is to be; undefined if it has one of its own. */
export function sharedGroup(options: CgroupIsolatorOptions, { spec, parent }: PrepareContext): string | undefined {
  if (!spec.shareCgroups) return undefined;
  let owner = parent;
  while (owner?.spec.shareCgroups) owner = owner.parent;
  return owner?.spec.id === undefined ? undefined : groupOf(options, owner.spec.id);
}
