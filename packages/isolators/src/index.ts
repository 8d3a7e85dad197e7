export { cgroupsBlkio } from './cgroups/blkio.js';
export type {
  CgroupFiles,
  CgroupSetting,
  Cgroups,
  Controller,
  ControllerFormat,
  CpuLimits,
  HugetlbFormat,
  IoFormat,
  IoLimits,
  MemoryFormat,
  MemoryLimits,
  NumberedIoLimits,
  OutOfMemory,
} from './cgroups/cgroups.js';
export { cgroupsCpu } from './cgroups/cpu.js';
export { cgroupsCpuset } from './cgroups/cpuset.js';
export { createCgroups } from './cgroups/create-cgroups.js';
export type { DeviceControl } from './cgroups/device-control.js';
export type { DeviceAllowance } from './cgroups/device-rules.js';
export { cgroupsDevices } from './cgroups/devices.js';
export { cgroupsFreezer } from './cgroups/freezer.js';
export { cgroupsHugetlb } from './cgroups/hugetlb.js';
export type { CgroupIsolatorOptions } from './cgroups/isolator.js';
export { detectCgroups } from './cgroups/layout.js';
export { cgroupsMem, minMemoryLimit } from './cgroups/mem.js';
export { cgroupsNetCls } from './cgroups/net-cls.js';
export { cgroupsNetPrio } from './cgroups/net-prio.js';
export { cgroupsNone } from './cgroups/none.js';
export { cgroupsPerfEvent } from './cgroups/perf-event.js';
export { cgroupsPids } from './cgroups/pids.js';
export { createIsolators } from './create.js';
export { diskIsolators } from './disk/isolators.js';
export type { DiskOptions } from './disk/options.js';
export { dockerRuntime } from './docker/runtime.js';
export { lookUpUser, type ResolvedUser } from './docker/user.js';
export { environmentSecret } from './environment-secret.js';
export { filesystemLinux } from './filesystem/linux.js';
export { filesystemPosix } from './filesystem/posix.js';
export { type CdiSetting, gpuCdi } from './gpu/cdi.js';
export { type CdiOptions, defaultCdiFolders } from './gpu/cdi-files.js';
export { parseCdiSpec, parseCdiText } from './gpu/cdi-parser.js';
export type {
  CdiDevice,
  CdiDeviceNode,
  CdiEdits,
  CdiHook,
  CdiHookName,
  CdiIntelRdt,
  CdiMount,
  CdiNetDevice,
  CdiSpec,
} from './gpu/cdi-spec.js';
export type { NvidiaPlaces } from './gpu/nvidia/nodes.js';
export { type GpuSources, gpuNvidia, type NvidiaOptions } from './gpu/nvidia/nvidia.js';
export { probeDevices } from './gpu/probe.js';
export { capabilitySets, linuxCapabilities } from './linux/capabilities.js';
export { linuxDevices } from './linux/devices.js';
export { type LandlockSupport, linuxLandlock } from './linux/landlock.js';
export { linuxNnp } from './linux/nnp.js';
export { linuxOom } from './linux/oom.js';
export { linuxSeccomp } from './linux/seccomp/isolator.js';
export { linuxSysctl } from './linux/sysctl.js';
export { namespacesCgroup } from './namespaces/cgroup.js';
export { namespacesIpc } from './namespaces/ipc.js';
export { namespacesNetwork } from './namespaces/network.js';
export { namespacesPid } from './namespaces/pid.js';
export { namespacesTime } from './namespaces/time.js';
export { namespacesUser } from './namespaces/user.js';
export { ordinaryUsers, ownIdMapper, ownUsers, rootUsers, type UserPolicy } from './namespaces/users.js';
export { namespacesUts } from './namespaces/uts.js';
export { networkEgress } from './network/egress.js';
export { networkPorts, type PortsOptions } from './network/ports.js';
export { orderIsolators } from './order.js';
export { posixCpu } from './posix/cpu.js';
export { posixMem } from './posix/mem.js';
export { posixRlimits } from './posix/rlimits.js';
export { probeHost } from './probe-host.js';
export { probeIdmapping } from './probe-idmapping.js';
export type { VolumeFolders } from './volume/container-folders.js';
export { createVolumeIsolators, type VolumeOptions } from './volume/create.js';
export type { PluginFolders } from './volume/docker/plugin-socket.js';
export { type DockerVolumeOptions, dockerVolume } from './volume/docker/volume.js';
export { volumeHostPath } from './volume/host-path.js';
export { volumeImage } from './volume/image.js';
export { volumePersistent } from './volume/persistent.js';
export { PersistentVolumes } from './volume/persistent-volumes.js';
export { volumeSandboxPath } from './volume/sandbox-path.js';
export { volumeSecret } from './volume/secret.js';
export { volumeTmpfs } from './volume/tmpfs.js';
