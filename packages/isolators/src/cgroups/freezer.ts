import type { Isolator } from '@gantry/interface';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { noCgroup } from './text-files.js';

const name = 'cgroups/freezer';

/**
 * `cgroups/freezer`: stops every process of a container where it is, and lets them go on. It needs nothing at launch. On
 * v1 a frozen process cannot even be killed, so this is cleaned up, and the container let go, before the other groups.
 */
export function cgroupsFreezer(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  return {
    name,
    after: ['cgroups/*'],
    async edits() {
      return {};
    },
    async freeze(id, frozen, call) {
      const path = groupOf(options, id);
      if (!(await cgroups.freeze(path, frozen, name, call)) && frozen) throw noCgroup(id, path);
    },
    cleanup: (id) => cgroups.remove('freezer', groupOf(options, id)),
    list: () => cgroups.list('freezer', options.cgroupParent),
    close: () => cgroups.removeParent('freezer', options.cgroupParent),
  };
}
