import type { Isolator, Resources } from '@gantry/interface';
import { invalidField } from '../errors.js';
import type { CgroupSetting } from './cgroups.js';
import { changeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { given, keyIn, noCgroup, numberIn, readFiles } from './text-files.js';

const name = 'cgroups/pids';
const defaultLimit = 4096;

/** Linux's PID_MAX_LIMIT: the controller takes no larger number. */
const largestLimit = 4_194_304;

/**
 * `cgroups/pids`: how many processes and threads there may be at once; 4096 unless `limits.pids` says otherwise. Since it
 * knows all processes of a container, it is also the one that signals them.
 * Kernel documentation, admin-guide/cgroup-v1/pids; the files are the same on v2.
 *
 * It never names itself as the limitation: a fork that failed is no reason to end, and whether a container ended for
 * it only the container knows.
 */
export function cgroupsPids(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  return controllerIsolator(options, {
    name,
    controller: 'pids',
    resources({ spec }) {
      const limit = pidsLimit(spec.resources);
      // OCI's word for no limit.
      return { pids: { limit: limit === Number.POSITIVE_INFINITY ? -1 : limit } };
    },
    settings: ({ spec }) => pidsSettings(spec.resources),
    async usage(id) {
      const path = groupOf(options, id);
      const files = await readFiles(cgroups, path, ['pids.current', 'pids.max', 'pids.peak', 'pids.events']);
      if (files.size === 0) throw noCgroup(id, path);
      const counts = {
        limit: numberIn(files, 'pids.max'),
        peak: numberIn(files, 'pids.peak'),
        refusals: keyIn(files, 'pids.events', 'max'),
      };
      return { pids: { current: numberIn(files, 'pids.current') ?? 0, ...given(counts) } };
    },
    async update(id, resources, call) {
      const group = { cgroups, id, path: groupOf(options, id), isolator: name };
      await changeSettings(group, pidsSettings(resources), {}, call);
    },
    async signalAll(id, signal) {
      const path = groupOf(options, id);
      if (!(await cgroups.signal(path, signal))) throw noCgroup(id, path);
      return true;
    },
  });
}

/** One that is lower than what runs ends nothing: it only keeps more from starting. */
function pidsSettings(resources: Resources | undefined): CgroupSetting[] {
  const limit = pidsLimit(resources);
  return [{ file: 'pids.max', value: limit === Number.POSITIVE_INFINITY ? 'max' : String(limit) }];
}

function pidsLimit(resources: Resources | undefined): number {
  const limit = resources?.limits?.pids ?? defaultLimit;
  const valid = limit === Number.POSITIVE_INFINITY || (Number.isInteger(limit) && limit >= 1 && limit <= largestLimit);
  if (!valid) {
    throw invalidField('spec.resources.limits.pids', `must be 1 to ${largestLimit}, or Infinity, not ${limit}`);
  }
  return limit;
}
