import type { CgroupLayout, Isolator } from '@gantry/interface';
import { cgroupsBlkio } from './cgroups/blkio.js';
import { cgroupsCpu } from './cgroups/cpu.js';
import { cgroupsCpuset } from './cgroups/cpuset.js';
import { createCgroups } from './cgroups/create-cgroups.js';
import type { DeviceControl } from './cgroups/device-control.js';
import { cgroupsDevices } from './cgroups/devices.js';
import { cgroupsFreezer } from './cgroups/freezer.js';
import { cgroupsHugetlb } from './cgroups/hugetlb.js';
import { checkCgroupParent } from './cgroups/isolator.js';
import { cgroupsMem } from './cgroups/mem.js';
import { cgroupsNetCls } from './cgroups/net-cls.js';
import { cgroupsNetPrio } from './cgroups/net-prio.js';
import { cgroupsNone } from './cgroups/none.js';
import { cgroupsPerfEvent } from './cgroups/perf-event.js';
import { cgroupsPids } from './cgroups/pids.js';
import { diskIsolators } from './disk/isolators.js';
import type { DiskOptions } from './disk/options.js';
import { dockerRuntime } from './docker/runtime.js';
import { filesystemLinux } from './filesystem/linux.js';
import { gpuCdi } from './gpu/cdi.js';
import type { CdiOptions } from './gpu/cdi-files.js';
import type { NvidiaPlaces } from './gpu/nvidia/nodes.js';
import { gpuNvidia } from './gpu/nvidia/nvidia.js';
import { linuxCapabilities } from './linux/capabilities.js';
import { linuxDevices } from './linux/devices.js';
import { linuxLandlock } from './linux/landlock.js';
import { linuxNnp } from './linux/nnp.js';
import { linuxOom } from './linux/oom.js';
import { linuxSeccomp } from './linux/seccomp/isolator.js';
import { linuxSysctl } from './linux/sysctl.js';
import { namespacesCgroup } from './namespaces/cgroup.js';
import { namespacesIpc } from './namespaces/ipc.js';
import { namespacesNetwork } from './namespaces/network.js';
import { namespacesPid } from './namespaces/pid.js';
import { namespacesTime } from './namespaces/time.js';
import { namespacesUser } from './namespaces/user.js';
import type { UserPolicy } from './namespaces/users.js';
import { namespacesUts } from './namespaces/uts.js';
import { networkEgress } from './network/egress.js';
import { networkPorts, type PortsOptions } from './network/ports.js';
import { posixRlimits } from './posix/rlimits.js';
import { createVolumeIsolators, defaultFolders, type VolumeOptions } from './volume/create.js';

/**
 * Every isolator of this package, in no particular order: give them to `orderIsolators`. `cgroupParent` (default
 * `/gantry`) is the control group below which each container gets its own; its last part is made and removed as needed,
 * what is above it must exist.
 */
export function createIsolators(
  options: {
    readonly cgroups: CgroupLayout;
    readonly cgroupParent?: string;
    /** Which users containers have. Default: the host's, or of `private` user namespaces on demand. */
    readonly users?: UserPolicy;
    /** Why there are to be no control groups, and what to do about it: `cgroups/none` then stands for their isolators. */
    readonly withoutCgroups?: { readonly problem: string; readonly remedy: string };
    /** A folder for what isolators have to know after a restart of the host program. Default `/run/gantry/isolators`. */
    readonly stateFolder?: string;
    readonly disk?: Omit<DiskOptions, 'stateFolder'>;
    readonly ports?: PortsOptions;
    readonly cdi?: CdiOptions;
    /** Where NVIDIA's driver shows its devices. */
    readonly nvidia?: NvidiaPlaces;
  } & VolumeOptions,
): Isolator[] {
  const cgroupParent = options.cgroupParent ?? '/gantry';
  checkCgroupParent(cgroupParent);
  const { users, withoutCgroups } = options;
  const control = { cgroups: createCgroups(options.cgroups), cgroupParent };
  const stateFolder = options.stateFolder ?? '/run/gantry/isolators';
  const devices: DeviceControl = withoutCgroups
    ? { missing: () => withoutCgroups.remedy, restrict: () => undefined }
    : control.cgroups.devices;
  const isolators = [
    ...diskIsolators({ ...options.disk, stateFolder }),
    filesystemLinux(options),
    dockerRuntime(),
    cgroupsBlkio(control),
    cgroupsCpu(control),
    cgroupsCpuset(control),
    cgroupsDevices(control),
    cgroupsFreezer(control),
    cgroupsHugetlb(control),
    cgroupsMem(control),
    cgroupsNetCls(control),
    cgroupsNetPrio(control),
    cgroupsPerfEvent(control),
    cgroupsPids(control),
    gpuCdi({ ...options.cdi, control: devices, ...(users ? { users } : {}) }),
    gpuNvidia({
      ...(options.cdi ? { cdi: options.cdi } : {}),
      ...(options.nvidia ? { places: options.nvidia } : {}),
      folders: options.volumes ?? defaultFolders,
      control: devices,
      ...(users ? { users } : {}),
    }),
    networkEgress(users),
    networkPorts({ ...control, ...options.ports, stateFolder }, users),
    namespacesCgroup(),
    namespacesIpc(),
    namespacesNetwork(),
    namespacesPid(),
    namespacesTime(),
    namespacesUser(users),
    namespacesUts(),
    linuxCapabilities({ devices: devices, ...(users ? { users } : {}) }),
    linuxDevices({ control: devices, ...(users ? { users } : {}) }),
    linuxLandlock(),
    linuxNnp(),
    linuxOom(),
    linuxSeccomp(),
    linuxSysctl(users),
    posixRlimits(),
    ...createVolumeIsolators(options),
  ];
  if (!withoutCgroups) return isolators;
  const others = isolators.filter(({ name }) => !name.startsWith('cgroups/'));
  return [...others, cgroupsNone(withoutCgroups.problem, withoutCgroups.remedy)];
}
