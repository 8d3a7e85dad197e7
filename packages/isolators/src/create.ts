import type { CgroupLayout, Isolator } from '@gantry/interface';
import { cgroupsCpu } from './cgroups/cpu.js';
import { createCgroups } from './cgroups/create-cgroups.js';
import { cgroupsDevices } from './cgroups/devices.js';
import { cgroupsFreezer } from './cgroups/freezer.js';
import { checkCgroupParent } from './cgroups/isolator.js';
import { cgroupsMem } from './cgroups/mem.js';
import { cgroupsPids } from './cgroups/pids.js';
import { dockerRuntime } from './docker/runtime.js';
import { filesystemLinux } from './filesystem/linux.js';
import { linuxCapabilities } from './linux/capabilities.js';
import { linuxDevices } from './linux/devices.js';
import { linuxNnp } from './linux/nnp.js';
import { linuxOom } from './linux/oom.js';
import { linuxSysctl } from './linux/sysctl.js';
import { namespacesCgroup } from './namespaces/cgroup.js';
import { namespacesIpc } from './namespaces/ipc.js';
import { namespacesNetwork } from './namespaces/network.js';
import { namespacesPid } from './namespaces/pid.js';
import { namespacesUts } from './namespaces/uts.js';
import { posixRlimits } from './posix/rlimits.js';

/**
 * Every isolator of this package, in no particular order: give them to `orderIsolators`. `cgroupParent` (default
 * `/gantry`) is the control group below which each container gets its own; its last part is made and removed as needed,
 * what is above it must exist.
 */
export function createIsolators(options: {
  readonly cgroups: CgroupLayout;
  readonly cgroupParent?: string;
}): Isolator[] {
  const cgroupParent = options.cgroupParent ?? '/gantry';
  checkCgroupParent(cgroupParent);
  const control = { cgroups: createCgroups(options.cgroups), cgroupParent };
  return [
    filesystemLinux(options),
    dockerRuntime(),
    cgroupsCpu(control),
    cgroupsDevices(control),
    cgroupsFreezer(control),
    cgroupsMem(control),
    cgroupsPids(control),
    namespacesCgroup(),
    namespacesIpc(),
    namespacesNetwork(),
    namespacesPid(),
    namespacesUts(),
    linuxCapabilities({ devices: control.cgroups.devices }),
    linuxDevices({ control: control.cgroups.devices }),
    linuxNnp(),
    linuxOom(),
    linuxSysctl(),
    posixRlimits(),
  ];
}
