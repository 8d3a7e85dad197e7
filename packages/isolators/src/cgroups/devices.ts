import type { Isolator, PrepareContext } from '@gantry/interface';
import { controllerIsolator } from './controller-isolator.js';
import { allowedDevices, type DeviceAllowance, standardDeviceRules } from './device-rules.js';
import type { CgroupIsolatorOptions } from './isolator.js';

const name = 'cgroups/devices';

/**
 * `cgroups/devices`: a container can make any device node, but open only the standard devices, its own terminals, and those
 * that other isolators (`linux/devices`) allow by `resources.devices`; they must come after this one. On v1 by the lists of the
 * group, on v2 by a BPF program. A host that has neither leaves devices unguarded; `linux/capabilities` then leaves out CAP_MKNOD.
 */
export function cgroupsDevices(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  const standard = allowedDevices(standardDeviceRules, name);
  return controllerIsolator(options, {
    name,
    controller: 'devices',
    resources: () => (cgroups.devices.missing() === undefined ? { devices: [...standardDeviceRules] } : undefined),
    limit(path, context) {
      cgroups.devices.restrict(path, allowedFor(context, standard), name);
    },
    limits: (path, context) => cgroups.devices.restriction?.(path, allowedFor(context, standard)),
  });
}

function allowedFor({ resources }: PrepareContext, standard: readonly DeviceAllowance[]): readonly DeviceAllowance[] {
  const rules = resources?.devices;
  return rules === undefined || rules.length === standardDeviceRules.length ? standard : allowedDevices(rules, name);
}
