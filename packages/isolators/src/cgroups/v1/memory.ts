import type { CgroupFiles, CgroupSetting, MemoryFormat } from '../cgroups.js';
import { given, keyIn, numberIn, numbersIn, unlimitedFrom } from '../text-files.js';
import { memoryEventsV1 } from './memory-events.js';

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
    'memory.memsw.limit_in_bytes',
    'memory.failcnt',
    'memory.max_usage_in_bytes',
    'memory.stat',
    'memory.oom_control',
  ],

  usage(files) {
    const limit = limitIn(files, 'memory.limit_in_bytes');
    const together = limitIn(files, 'memory.memsw.limit_in_bytes');
    const current = numberIn(files, 'memory.usage_in_bytes') ?? 0;
    const stat = numbersIn(files, 'memory.stat');
    return {
      current,
      ...given({
        limit,
        peak: numberIn(files, 'memory.max_usage_in_bytes'),
        // The totals count groups below this one; without `use_hierarchy` there are none to count.
        anon: stat?.['total_rss'] ?? stat?.['rss'],
        file: stat?.['total_cache'] ?? stat?.['cache'],
        swap: stat?.['total_swap'] ?? stat?.['swap'],
        swapLimit: limit === undefined || together === undefined ? undefined : together - limit,
        oomKills: keyIn(files, 'memory.oom_control', 'oom_kill'),
        events: given({
          max: numberIn(files, 'memory.failcnt'),
          oom_kill: keyIn(files, 'memory.oom_control', 'oom_kill'),
        }),
        stat,
      }),
    };
  },

  events: memoryEventsV1,

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

/** Undefined for none. */
function limitIn(files: CgroupFiles, name: string): number | undefined {
  const limit = numberIn(files, name);
  return limit === undefined || limit >= unlimitedFrom ? undefined : limit;
}
