import type { CgroupSetting, Cgroups } from './cgroups.js';
import type { GroupLimits } from './group-limits.js';
import { isHeld } from './settings.js';

/** Settings of a new group, each written and read back. */
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
