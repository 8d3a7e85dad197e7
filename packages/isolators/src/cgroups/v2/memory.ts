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

  defaults: [
    { file: 'memory.max', value: 'max', optional: true },
    { file: 'memory.swap.max', value: 'max', optional: true },
    { file: 'memory.low', value: '0', optional: true },
    { file: 'memory.high', value: 'max', optional: true },
  ],

  /**
   * A limit that comes to be below what is used would kill the container. `memory.high` has the kernel reclaim and then
   * hold the container back, but kill nobody; so it goes ahead of a lower limit.
   */
  transition(settings, held) {
    const limit = settings.find(({ file }) => file === 'memory.max');
    const before = numberIn(held, 'memory.max') ?? Number.POSITIVE_INFINITY;
    // Of `max` it is not a number, and not below anything.
    if (limit === undefined || !(Number(limit.value) < before)) return [...settings];
    const isHigh = ({ file }: CgroupSetting) => file === 'memory.high';
    const afterwards = settings.find(isHigh)?.value ?? held.get('memory.high')?.trim() ?? 'max';
    return [
      { file: 'memory.high', value: limit.value, paged: true, covers: 'memory.current' },
      ...settings.filter((setting) => !isHigh(setting)),
      { file: 'memory.high', value: afterwards, paged: true },
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

  outOfMemoryFiles: ['memory.events', 'memory.events.local', 'memory.max', 'memory.peak'],

  outOfMemory(files) {
    return {
      kills: keyIn(files, 'memory.events', 'oom_kill') ?? 0,
      // The other file counts the groups below too.
      atOwnLimit: (keyIn(files, 'memory.events.local', 'oom') ?? 0) > 0,
    };
  },
};
