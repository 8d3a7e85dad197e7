import type { CgroupSetting, MemoryFormat } from '../cgroups.js';
import { keyIn, numberIn } from '../text-files.js';

/** Kernel documentation, admin-guide/cgroup-v2, "Memory Interface Files". */
export const memoryV2: MemoryFormat = {
  settings({ request, limit, swap }): CgroupSetting[] {
    return [
      ...(limit === undefined ? [] : [{ file: 'memory.max', value: String(limit), paged: true }]),
      ...(limit === undefined
        ? []
        : [{ file: 'memory.swap.max', value: String(swap ?? 0), paged: true, optional: swap === undefined }]),
      ...(request === undefined ? [] : [{ file: 'memory.low', value: String(request), paged: true }]),
      // A container that lost one process to the limit is broken as a whole.
      { file: 'memory.oom.group', value: '1' },
    ];
  },

  usageFiles: ['memory.current', 'memory.max', 'memory.peak', 'memory.stat', 'memory.events'],

  usage(files) {
    const limit = numberIn(files, 'memory.max');
    const peak = numberIn(files, 'memory.peak');
    const anon = keyIn(files, 'memory.stat', 'anon');
    const file = keyIn(files, 'memory.stat', 'file');
    const oomKills = keyIn(files, 'memory.events', 'oom_kill');
    return {
      current: numberIn(files, 'memory.current') ?? 0,
      ...(limit === undefined ? {} : { limit }),
      ...(peak === undefined ? {} : { peak }),
      ...(anon === undefined ? {} : { anon }),
      ...(file === undefined ? {} : { file }),
      ...(oomKills === undefined ? {} : { oomKills }),
    };
  },

  outOfMemoryFiles: ['memory.events', 'memory.max', 'memory.peak'],

  outOfMemory(files) {
    return {
      kills: keyIn(files, 'memory.events', 'oom_kill') ?? 0,
      atOwnLimit: (keyIn(files, 'memory.events', 'oom') ?? 0) > 0,
    };
  },
};
