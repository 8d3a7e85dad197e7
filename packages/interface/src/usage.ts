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
  readonly pids?: { readonly current: number; readonly limit?: number };
}
