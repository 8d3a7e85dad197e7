/**
 * Requests are what a scheduler set aside; limits are what the kernel enforces. What is left out is not limited, but for the
 * defaults that are named.
 */
export interface Resources {
  readonly requests?: ResourceAmounts;
  readonly limits?: ResourceLimits;
  /** Run only when nobody else wants to; not with `requests.cpus`. Default false. */
  readonly cpuIdle?: boolean;
  readonly cpuset?: CpusetResources;
  readonly io?: IoResources;
  /** Marks packets for traffic control; cgroup v1's net_cls and net_prio. */
  readonly network?: NetworkClassResources;
  /**
   * GPUs of NVIDIA's for the container alone: how many whole ones, or which by their names, an index, a UUID or a MIG device as `gantry probe`
   * and CDI specifications have them. Default none. They stay as they are while it runs.
   */
  readonly gpus?: number | readonly string[];
  /** Be a group of its own to perf_event_open(2), so that perf can count for it alone. On v2 every container is. */
  readonly perfEvent?: boolean;
}

export interface ResourceAmounts {
  /** CPUs, e.g. 0.5. */
  readonly cpus?: number;
  /** Bytes. */
  readonly memory?: number;
}

export interface ResourceLimits extends ResourceAmounts {
  /** CPUs on top of `cpus` in one period of 100 ms, out of what earlier ones left unused; at most as many as `cpus`. Default 0. */
  readonly cpuBurst?: number;
  /** Bytes above which the container is slowed down and has its memory reclaimed, rather than killed. v2 only. */
  readonly memoryHigh?: number;
  /** Processes and threads. Default 4096; `Infinity` for no limit. */
  readonly pids?: number;
  /** Bytes of swap on top of memory. Default 0 where the kernel accounts swap. */
  readonly swap?: number;
  /** Bytes of what the container writes outside its mounts: its writable layer. */
  readonly disk?: number;
  /** Bytes of huge pages by page size, as the kernel writes it: `{ '2MB': 2 ** 22 }`. Whole pages. */
  readonly hugepages?: Readonly<Record<string, number>>;
}

/** Lists as `0-3,7`, of those that the group above has. */
export interface CpusetResources {
  /** CPUs it may run on. */
  readonly cpus?: string;
  /** Memory nodes it may use. */
  readonly mems?: string;
}

export interface IoResources {
  /** 10 to 1000: the share of a device that is busy. The kernel's default is 100. */
  readonly weight?: number;
  readonly devices?: readonly IoDeviceLimits[];
}

/** Limits on one block device; bytes and operations a second. */
export interface IoDeviceLimits {
  /** A block device of the host, `/dev/sda`, or its numbers, `8:0`. Of a whole disk, not of a partition. */
  readonly device: string;
  readonly readBytes?: number;
  readonly writeBytes?: number;
  readonly readOperations?: number;
  readonly writeOperations?: number;
}

export interface NetworkClassResources {
  /** What tc's cgroup filter sees: a major number in the upper 16 bits, a minor one in the lower. */
  readonly classId?: number;
  /** By the host's network interfaces. */
  readonly priorities?: Readonly<Record<string, number>>;
}
