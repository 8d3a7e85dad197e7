import type {
  CallOptions,
  ContainerUsage,
  HugepageUsage,
  IoDeviceLimits,
  IoDeviceUsage,
  MemoryPressureTrigger,
} from '@gantry/interface';
import type { GroupCall } from '@gantry/native';
import type { DeviceControl } from './device-control.js';
import type { KernelEvent } from './kernel-event.js';

/**
 * The controllers that Gantry's isolators use, by their names on v2. On v1, `cpu` stands for the subsystems cpu and cpuacct,
 * and `io` for blkio; on v2 every group can be frozen, kept from devices, and counted by perf, without a controller.
 */
export type Controller =
  | 'cpu'
  | 'memory'
  | 'pids'
  | 'freezer'
  | 'devices'
  | 'cpuset'
  | 'io'
  | 'hugetlb'
  | 'net_cls'
  | 'net_prio'
  | 'perf_event';

/** One file of a control group and what to write into it. */
export interface CgroupSetting {
  readonly file: string;
  readonly value: string;
  /** The kernel may round the value, a number of bytes, down to whole pages. */
  readonly paged?: boolean;
  /** Left out where the kernel does not have the file. */
  readonly optional?: boolean;
  /** Of a file that has a line for each key, the first word: what it then has for this one, and what to write to be rid of it. */
  readonly list?: { readonly key: string; readonly line: string; readonly clear: string };
  /** A file with the bytes in use, which the value, once the kernel has reclaimed what it can, must not be below. */
  readonly covers?: string;
}

/** The content of files of a control group by their names; what is not there has no entry. */
export type CgroupFiles = ReadonlyMap<string, string>;

/** How a controller is spoken to in one version, as functions on data. */
export interface ControllerFormat<Limits, Usage> {
  /** What to write, in order, for these limits, into a new group. */
  settings(limits: Limits): CgroupSetting[];
  /** What a new group holds, of all that `settings` may give. */
  readonly defaults: readonly CgroupSetting[];
  /** What to write, in order, to a group in use that holds `held`; without it, the settings as they are. */
  transition?(settings: readonly CgroupSetting[], held: CgroupFiles): CgroupSetting[];
  /** The files that `usage` wants. */
  readonly usageFiles: readonly string[];
  usage(files: CgroupFiles): Usage;
}

export interface CpuLimits {
  /** CPUs set aside: the weight against others when there are not enough. */
  readonly request?: number;
  /** CPUs at most. */
  readonly limit?: number;
  /** CPUs on top of `limit`, if saved up. */
  readonly burst?: number;
  /** Only when nobody else wants to. */
  readonly idle?: boolean;
}

export interface MemoryLimits {
  /** Bytes protected from, or on v1 reclaimed last under, memory pressure. */
  readonly request?: number;
  /** Bytes above which it is held back; v2. */
  readonly high?: number;
  /** Bytes at most. */
  readonly limit?: number;
  /** Bytes of swap on top of `limit`. Absent: none, where the kernel accounts swap. */
  readonly swap?: number;
}

export interface IoLimits {
  /** OCI's 10 to 1000. */
  readonly weight?: number;
  readonly devices: readonly NumberedIoLimits[];
}

/** The limits on a block device by its numbers. */
export interface NumberedIoLimits extends Omit<IoDeviceLimits, 'device'> {
  /** `8:0`. */
  readonly device: string;
}

/** The block I/O controller. What is absent from a file of its is not limited. */
export interface IoFormat {
  /** `present` tells which of a new group's files are there: that of the weight depends on the kernel's schedulers. */
  settings(limits: IoLimits, present: (file: string) => boolean): CgroupSetting[];
  /** The files that `cleared` wants. */
  readonly limitFiles: readonly string[];
  /** What to write to be rid of every limit that a group holds. */
  cleared(held: CgroupFiles): CgroupSetting[];
  readonly usageFiles: readonly string[];
  usage(files: CgroupFiles): IoDeviceUsage[];
}

/** The huge page controller. */
export interface HugetlbFormat {
  /** What to write for a limit in bytes, `Infinity` for none, on pages of a size as `2MB`. */
  settings(size: string, bytes: number): CgroupSetting[];
  usageFiles(size: string): string[];
  usage(size: string, files: CgroupFiles): HugepageUsage;
}

/** What a control group tells about processes that were killed for want of memory. */
export interface OutOfMemory {
  readonly kills: number;
  /** Whether the group itself came up against its limit; if not, its host or a group above ran out. */
  readonly atOwnLimit: boolean;
}

/** The memory controller, which also tells why processes were killed. */
export interface MemoryFormat extends ControllerFormat<MemoryLimits, NonNullable<ContainerUsage['memory']>> {
  /** The files that `outOfMemory` wants. */
  readonly outOfMemoryFiles: readonly string[];
  outOfMemory(files: CgroupFiles): OutOfMemory;
  /** Opens what the kernel tells of a group's memory by. */
  readonly events: MemoryEvents;
}

/** Who is told of what happens to a group's memory. */
export interface TellMemory {
  /** A counter of limits that were met has grown. */
  counted(name: string, times: number): void;
  pressed(trigger: MemoryPressureTrigger): void;
}

/**
 * `file` gives the path of a file of the group. `REFUSED`, by `isolator`, for a trigger that cannot be had: then nothing is open.
 */
export type MemoryEvents = (
  file: (name: string) => string,
  pressure: readonly MemoryPressureTrigger[],
  tell: TellMemory,
  isolator: string,
) => readonly KernelEvent[];

/** Control groups of either version, or both. Paths are as a container's `/gantry/<id>`, below each controller's mount. */
export interface Cgroups {
  /** Where processes are counted, frozen and signalled. */
  readonly version: 'v1' | 'v2';
  readonly cpu: ControllerFormat<CpuLimits, NonNullable<ContainerUsage['cpu']>>;
  readonly memory: MemoryFormat;
  readonly io: IoFormat;
  readonly hugetlb: HugetlbFormat;
  readonly devices: DeviceControl;
  /** Where a controller is; where it would be, if it is nowhere. */
  versionOf(controller: Controller): 'v1' | 'v2';
  /** The folders of the control group at `path` that `controller` needs. `REFUSED`, by `isolator`, if it is not mounted. */
  folders(controller: Controller, path: string, isolator: string): string[];
  /** As `folders`, but of those only the ones that are there. */
  existing(controller: Controller, path: string): string[];
  /** The absolute path of a file, as `memory.max`, of the control group at `path`. */
  file(path: string, name: string): string;
  /**
   * Makes the control group for one controller; its parent too, but nothing above. One that is there and was never
   * used is taken as it is, since on v2 all controllers share a folder; another is `REFUSED`.
   */
  create(controller: Controller, path: string, isolator: string): Promise<void>;
  /**
   * The calls that make the control group for one controller if nothing of it is there but the parent, which is how most are made; `create` can do
   * what they cannot. Undefined where it takes more.
   */
  making(controller: Controller, path: string, isolator: string): readonly GroupCall[] | undefined;
  /** Whether a container's group has the controller. */
  holds(controller: Controller, path: string): boolean;
  /**
   * Has the group of a running container get a controller that it did not have. False if it cannot: on v1 its processes are in
   * no group of that one.
   */
  extend(controller: Controller, path: string, isolator: string): Promise<boolean>;
  /**
   * Removes the control group, but not its parent. Kills what still runs in it, waits for that to end, and fails with
   * `SYSTEM` if it does not within seconds. Does nothing if it is not there.
   */
  remove(controller: Controller, path: string): Promise<void>;
  /** Removes the parent of containers' groups if it is there and empty. */
  removeParent(controller: Controller, parent: string): Promise<void>;
  /**
   * Stops, or lets go on, every process in the control group and those that come; resolves once the kernel says so.
   * False if there is no such group. `UNSUPPORTED` to stop them where there is no freezer; `TIMEOUT` if the kernel does not
   * within seconds. A freeze that fails is taken back.
   */
  freeze(path: string, frozen: boolean, isolator: string, options?: Pick<CallOptions, 'signal'>): Promise<boolean>;
  /**
   * Sends a signal to every process in the control group and to those that start before it has reached all. SIGKILL keeps
   * more from starting. False if there is no such group.
   */
  signal(path: string, signal: number): Promise<boolean>;
  /** The names of the control groups below `parent`. */
  list(controller: Controller, parent: string): AsyncIterable<string>;
}
