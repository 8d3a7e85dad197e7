import type { Isolator } from '@gantry/interface';
import { controllerIsolator } from './controller-isolator.js';
import type { CgroupIsolatorOptions } from './isolator.js';
import { extended } from './optional-controller.js';

const name = 'cgroups/perf_event';

/**
 * `cgroups/perf_event`: a group of its own for a container that asks for it, so that perf_event_open(2) can count for it alone. It
 * sets nothing. On v2 the group that every container has anyway will do.
 */
export function cgroupsPerfEvent(options: CgroupIsolatorOptions): Isolator {
  return controllerIsolator(options, {
    name,
    controller: 'perf_event',
    resources: ({ spec }) => (spec.resources?.perfEvent ? {} : undefined),
    async update(id, { perfEvent }) {
      await extended(options, 'perf_event', id, name, 'resources.perfEvent', perfEvent === true);
    },
  });
}
