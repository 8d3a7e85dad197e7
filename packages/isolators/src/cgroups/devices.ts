import type { Isolator, PrepareContext } from '@gantry/interface';
import { allowedDevices, type DeviceAllowance, standardDeviceRules } from './device-rules.js';
import { type CgroupIsolatorOptions, groupOf, preparedGroup } from './isolator.js';

const name = 'cgroups/devices';

/**
 * `cgroups/devices`: a container can make any device node, but open only the standard devices, its own terminals, and those
 * that other isolators (`linux/devices`) allow by `resources.devices`; they must come after this one. On v1 by the lists of the
 * group, on v2 by a BPF program. A host that has neither leaves devices unguarded; `linux/capabilities` then leaves out CAP_MKNOD.
 */
export function cgroupsDevices(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  const standard = allowedDevices(standardDeviceRules, name);
  return {
    name,
    async edits(context) {
      if (cgroups.devices.missing() !== undefined) return {};
      return {
        cgroups: cgroups.folders('devices', preparedGroup(options, context), name),
        resources: { devices: [...standardDeviceRules] },
      };
    },
    async prepare(context) {
      if (cgroups.devices.missing() !== undefined) return;
      const path = preparedGroup(options, context);
      await cgroups.create('devices', path, name);
      cgroups.devices.restrict(path, allowedFor(context, standard), name);
    },
    cleanup: (id) => cgroups.remove('devices', groupOf(options, id)),
    list: () => cgroups.list('devices', options.cgroupParent),
    close: () => cgroups.removeParent('devices', options.cgroupParent),
  };
}

function allowedFor({ resources }: PrepareContext, standard: readonly DeviceAllowance[]): readonly DeviceAllowance[] {
  const rules = resources?.devices;
  return rules === undefined || rules.length === standardDeviceRules.length ? standard : allowedDevices(rules, name);
}
