import { type CgroupLayout, GantryError } from '@gantry/interface';
import type { Cgroups, Controller } from './cgroups.js';
import { HybridCgroups } from './hybrid-cgroups.js';
import { V1Cgroups } from './v1/cgroups.js';
import { V2Cgroups } from './v2/cgroups.js';

/** Controllers that containers may have in another tree than that of cpu, memory and pids. */
const movable: readonly Controller[] = ['cpuset', 'io', 'hugetlb', 'net_cls', 'net_prio', 'perf_event'];

/** The control groups of a host, as found by `detectCgroups`. */
export function createCgroups(layout: CgroupLayout): Cgroups {
  const v1 = new Map([...layout.mounts].filter(([name]) => name !== 'unified'));
  const unified = layout.mounts.get('unified');
  if (layout.version === 'v1') {
    const main = new V1Cgroups(v1);
    const elsewhere = movable.filter((name) => layout.unified?.includes(name) && !v1.has(subsystemOf(name)));
    if (unified === undefined || elsewhere.length === 0) return main;
    return new HybridCgroups(main, new V2Cgroups(unified), new Set(elsewhere));
  }
  if (unified === undefined) {
    throw new GantryError('INVALID_ARGUMENT', "cgroups: a v2 layout needs a mount 'unified'; use detectCgroups()", {
      details: { field: 'cgroups' },
    });
  }
  const main = new V2Cgroups(unified);
  const elsewhere = movable.filter((name) => v1.has(subsystemOf(name)));
  return elsewhere.length === 0 ? main : new HybridCgroups(main, new V1Cgroups(v1), new Set(elsewhere));
}

function subsystemOf(controller: Controller): string {
  return controller === 'io' ? 'blkio' : controller;
}
