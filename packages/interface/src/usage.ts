import type { InterfaceUsage } from './network.js';

/**
 * One reading of what a container uses; all parts of it are read at about the same time. Times are nanoseconds, amounts bytes, and all but
 * what is said to be of now has been counted since the launch. Absent means that nobody measures it: `docs/isolators.md` says where.
 *
 * Of a container with `shareCgroups`, cpu, memory, io, huge pages and pids are its parent's.
 */
export interface ContainerUsage {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly cpu?: CpuUsage;
  readonly memory?: MemoryUsage;
  readonly io?: IoUsage;
  /** By page size: `2MB`. */
  readonly hugepages?: Readonly<Record<string, HugepageUsage>>;
  /** One entry an interface, without loopback, where the container has networks of its own. */
  readonly network?: readonly InterfaceUsage[];
  /** Bytes of the container's writable layer, where it is limited or was. */
  readonly disk?: { readonly used: number; readonly limit?: number };
  readonly pids?: {
    /** Processes and threads, now. */
    readonly current: number;
    readonly limit?: number;
    /** The most there were at once; Linux 6.1, on v2. */
    readonly peak?: number;
    /** How often a fork failed for the limit. */
    readonly refusals?: number;
  };
}

export interface CpuUsage {
  readonly total: number;
  readonly user?: number;
  readonly system?: number;
  /** Periods of 100 ms in which it ran, if `limits.cpus` is set; and of these those in which it was held back, and for how long. */
  readonly periods?: number;
  readonly throttledPeriods?: number;
  readonly throttledTime?: number;
  /** Periods in which it used more than its quota, and by how much; Linux 5.16. */
  readonly burstPeriods?: number;
  readonly burstTime?: number;
  readonly pressure?: Pressure;
}

export interface MemoryUsage {
  /** Charged now, caches included. */
  readonly current: number;
  readonly limit?: number;
  readonly high?: number;
  readonly peak?: number;
  /** Of `current`, what is in no file, and what caches files. */
  readonly anon?: number;
  readonly file?: number;
  /** Swapped out now, where the kernel accounts swap. */
  readonly swap?: number;
  readonly swapLimit?: number;
  /** Processes killed for want of memory. */
  readonly oomKills?: number;
  /** How often it met a limit: `low`, `high`, `max`, `oom`, `oom_kill`, `oom_group_kill` of `memory.events`; v1 has `max` and `oom_kill`. */
  readonly events?: Readonly<Record<string, number>>;
  /** Every figure of the kernel's `memory.stat`, under its names and in its units. */
  readonly stat?: Readonly<Record<string, number>>;
  readonly pressure?: Pressure;
}

export interface IoUsage {
  /** One entry a block device that it used. */
  readonly devices: readonly IoDeviceUsage[];
  readonly pressure?: Pressure;
}

export interface IoDeviceUsage {
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly readOperations: number;
  readonly writeOperations: number;
}

export interface HugepageUsage {
  /** In use now. */
  readonly current: number;
  readonly limit?: number;
  /** v1 only. */
  readonly peak?: number;
  /** How often the limit refused a page. */
  readonly refusals: number;
}

/** How much time was lost to waiting for a resource (PSI); cgroup v2 only. */
export interface Pressure {
  /** Some of its tasks waited. */
  readonly some: PressureFigures;
  /** All of its tasks that were not idle waited at once. */
  readonly full?: PressureFigures;
}

/** The share of time, in percent, over the last 10, 60 and 300 seconds, and the time altogether. */
export interface PressureFigures {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: number;
}
