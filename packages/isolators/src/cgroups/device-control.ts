import type { DeviceAllowance } from './device-rules.js';
import type { GroupLimits } from './group-limits.js';

/** How control groups keep containers from the host's devices, in one version. */
export interface DeviceControl {
  /** What keeps this host from it and the remedy; undefined if nothing does. Found out once. */
  missing(): string | undefined;
  /**
   * Lets the processes of a new group use these devices and no others. `REFUSED`, by `isolator`, if the kernel does not
   * take them, or holds others afterwards. Synchronous for the reason that `applySettings` gives.
   */
  restrict(path: string, allowed: readonly DeviceAllowance[], isolator: string): void;
  /** As `restrict`, for a group that is made in one go; where that can be. */
  restriction?(path: string, allowed: readonly DeviceAllowance[]): GroupLimits;
}
