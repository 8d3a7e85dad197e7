import type { GroupCall } from '@gantry/native';
import type { CgroupSetting, Cgroups } from './cgroups.js';
import { isHeld } from './settings.js';

/** Limits of a new group as calls that follow those by which it is made. */
export interface GroupLimits {
  readonly calls: readonly GroupCall[];
  /** Whether the kernel holds what was asked for, given what the calls read; null for a file that is not there. */
  holds(read: readonly (string | null)[]): boolean;
}

/** Settings, each written and read back. */
export function settingLimits(cgroups: Cgroups, path: string, settings: readonly CgroupSetting[]): GroupLimits {
  return {
    calls: settings.map(({ file, value, optional }) => [optional ? 'try' : 'set', cgroups.file(path, file), value]),
    holds: (read) =>
      settings.every((setting, index) => {
        const held = read[index];
        return typeof held === 'string' ? isHeld(setting, held.trim()) : setting.optional === true;
      }),
  };
}
