import type { CgroupSetting, MemoryFormat } from '../cgroups.js';
import { keyIn, numberIn, unlimitedFrom } from '../text-files.js';

/** Bytes that the kernel may ask for at once: a group is out of memory when so much no longer fits. */
const largestCharge = 256 * 1024;

/** Kernel documentation, admin-guide/cgroup-v1/memory. */
export const memoryV1: MemoryFormat = {
  /** The limit comes first: the one on memory and swap together may not be below it. */
  settings({ request, limit, swap }): CgroupSetting[] {
    return [
      ...(limit === undefined ? [] : [{ file: 'memory.limit_in_bytes', value: String(limit), paged: true }]),
      ...(limit === undefined
        ? []
        : [
            {
              file: 'memory.memsw.limit_in_bytes',
              value: String(limit + (swap ?? 0)),
              paged: true,
              optional: swap === undefined,
            },
          ]),
      ...(request === undefined ? [] : [{ file: 'memory.soft_limit_in_bytes', value: String(request), paged: true }]),
    ];
  },

  defaults: [
    { file: 'memory.limit_in_bytes', value: '-1', optional: true },
    { file: 'memory.memsw.limit_in_bytes', value: '-1', optional: true },
    { file: 'memory.soft_limit_in_bytes', value: '-1', optional: true },
  ],

  /** The limit on memory and swap together is never below the one on memory, in between neither. */
  transition(settings, held) {
    const limit = settings.find(({ file }) => file === 'memory.limit_in_bytes');
    const together = numberIn(held, 'memory.memsw.limit_in_bytes');
    if (limit === undefined || together === undefined || !isAbove(limit.value, together)) return [...settings];
    const isTogether = ({ file }: CgroupSetting) => file === 'memory.memsw.limit_in_bytes';
    return [...settings.filter(isTogether), ...settings.filter((setting) => !isTogether(setting))];
  },

  usageFiles: [
    'memory.usage_in_bytes',
    'memory.limit_in_bytes',
    'memory.max_usage_in_bytes',
    'memory.stat',
    'memory.oom_control',
  ],

  usage(files) {
    const limit = numberIn(files, 'memory.limit_in_bytes');
    const peak = numberIn(files, 'memory.max_usage_in_bytes');
    // The totals count groups below this one; without `use_hierarchy` there are none to count.
    const anon = keyIn(files, 'memory.stat', 'total_rss') ?? keyIn(files, 'memory.stat', 'rss');
    const file = keyIn(files, 'memory.stat', 'total_cache') ?? keyIn(files, 'memory.stat', 'cache');
    const oomKills = keyIn(files, 'memory.oom_control', 'oom_kill');
    return {
      current: numberIn(files, 'memory.usage_in_bytes') ?? 0,
      ...(limit === undefined || limit >= unlimitedFrom ? {} : { limit }),
      ...(peak === undefined ? {} : { peak }),
      ...(anon === undefined ? {} : { anon }),
      ...(file === undefined ? {} : { file }),
      ...(oomKills === undefined ? {} : { oomKills }),
    };
  },

  outOfMemoryFiles: ['memory.oom_control', 'memory.failcnt', 'memory.limit_in_bytes', 'memory.max_usage_in_bytes'],

  /** v1 counts no kills by whose limit it was, and `failcnt` stays 0 on some kernels: the peak has to tell. */
  outOfMemory(files) {
    const limit = numberIn(files, 'memory.limit_in_bytes') ?? Number.POSITIVE_INFINITY;
    const peak = numberIn(files, 'memory.max_usage_in_bytes') ?? 0;
    return {
      kills: keyIn(files, 'memory.oom_control', 'oom_kill') ?? 0,
      atOwnLimit: peak + largestCharge > limit,
    };
  },
};

/** -1 stands for no limit. */
function isAbove(value: string, bytes: number): boolean {
  return value === '-1' ? bytes < unlimitedFrom : Number(value) > bytes;
}
