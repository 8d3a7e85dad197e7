import type { GroupCall } from '@gantry/native';

/** Limits of a new group as calls that follow those by which it is made. */
export interface GroupLimits {
  readonly calls: readonly GroupCall[];
  /** Whether the kernel holds what was asked for, given what the calls read; null for a file that is not there. */
  holds(read: readonly (string | null)[]): boolean;
}
