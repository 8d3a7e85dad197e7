import type { Isolator } from '@gantry/interface';
import type { CgroupSetting } from './cgroups.js';
import { changeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { extended } from './optional-controller.js';
import { applySettings } from './settings.js';

const name = 'cgroups/net_cls';

/**
 * `cgroups/net_cls`: a class for the packets of a container that asks for one. Kernel documentation, admin-guide/cgroup-v1/net_cls.
 * v2 has nothing for it; a host may have this one v1 hierarchy beside.
 */
export function cgroupsNetCls(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  return controllerIsolator(options, {
    name,
    controller: 'net_cls',
    resources({ spec }) {
      const classID = spec.resources?.network?.classId;
      return classID === undefined ? undefined : { network: { classID } };
    },
    limit(path, { spec }) {
      applySettings(cgroups, path, classSettings(spec.resources?.network?.classId), name);
    },
    async update(id, resources, call) {
      const classId = resources.network?.classId;
      if (!(await extended(options, 'net_cls', id, name, 'resources.network.classId', classId !== undefined))) return;
      const group = { cgroups, id, path: groupOf(options, id), isolator: name };
      await changeSettings(group, classSettings(classId), {}, call);
    },
  });
}

function classSettings(classId = 0): CgroupSetting[] {
  return [{ file: 'net_cls.classid', value: String(classId) }];
}
