import type { InterfaceUsage } from './network.js';

/** One reading of what a container uses. Absent means no isolator measures it. */
export interface ContainerUsage {
  readonly at: number;
  readonly cpu?: {
    /** Nanoseconds. */
    readonly total: number;
    readonly user?: number;
    readonly system?: number;
    readonly throttledPeriods?: number;
    readonly throttledTime?: number;
  };
  readonly memory?: {
    /** Bytes charged, caches included. */
    readonly current: number;
    readonly limit?: number;
    readonly peak?: number;
    readonly anon?: number;
    readonly file?: number;
    readonly oomKills?: number;
  };
  /** One entry an interface, without loopback, where the container has networks of its own. */
  readonly network?: readonly InterfaceUsage[];
  readonly pids?: { readonly current: number; readonly limit?: number };
}
