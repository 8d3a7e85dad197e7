import { type CgroupLayout, GantryError } from '@gantry/interface';
import type { Cgroups } from './cgroups.js';
import { V1Cgroups } from './v1/cgroups.js';
import { V2Cgroups } from './v2/cgroups.js';

/** The control groups of a host, as found by `detectCgroups`. */
export function createCgroups(layout: CgroupLayout): Cgroups {
  if (layout.version === 'v1') return new V1Cgroups(layout.mounts);
  const unified = layout.mounts.get('unified');
  if (unified === undefined) {
    throw new GantryError('INVALID_ARGUMENT', "cgroups: a v2 layout needs a mount 'unified'; use detectCgroups()", {
      details: { field: 'cgroups' },
    });
  }
  return new V2Cgroups(unified);
}
