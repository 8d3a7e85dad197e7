/** Requests are what a scheduler set aside; limits are what the kernel enforces. */
export interface Resources {
  readonly requests?: ResourceAmounts;
  readonly limits?: ResourceLimits;
}

export interface ResourceAmounts {
  /** CPUs, e.g. 0.5. */
  readonly cpus?: number;
  /** Bytes. */
  readonly memory?: number;
}

export interface ResourceLimits extends ResourceAmounts {
  /** Processes and threads. Default 4096; `Infinity` for no limit. */
  readonly pids?: number;
  /** Bytes of swap on top of memory. Default 0 where the kernel accounts swap. */
  readonly swap?: number;
}
