import type { CgroupSetting, MemoryFormat } from '../cgroups.js';
import { pressureIn } from '../pressure.js';
import { given, keyIn, numberIn, numbersIn } from '../text-files.js';
import { memoryEventsV2 } from './memory-events.js';

/** Kernel documentation, admin-guide/cgroup-v2, "Memory Interface Files". */
export const memoryV2: MemoryFormat = {
  settings({ request, high, limit, swap }): CgroupSetting[] {
    return [
      ...(limit === undefined ? [] : [{ file: 'memory.max', value: String(limit), paged: true }]),
      ...(limit === undefined
        ? []
        : [{ file: 'memory.swap.max', value: String(swap ?? 0), paged: true, optional: swap === undefined }]),
      ...(high === undefined ? [] : [{ file: 'memory.high', value: String(high), paged: true }]),
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

  usageFiles: [
    'memory.current',
    'memory.max',
    'memory.high',
    'memory.peak',
    'memory.swap.current',
    'memory.swap.max',
    'memory.stat',
    'memory.events',
    'memory.pressure',
  ],

  usage(files) {
    const stat = numbersIn(files, 'memory.stat');
    const events = numbersIn(files, 'memory.events');
    return {
      current: numberIn(files, 'memory.current') ?? 0,
      ...given({
        limit: numberIn(files, 'memory.max'),
        high: numberIn(files, 'memory.high'),
        peak: numberIn(files, 'memory.peak'),
        anon: stat?.['anon'],
        file: stat?.['file'],
        swap: numberIn(files, 'memory.swap.current'),
        swapLimit: numberIn(files, 'memory.swap.max'),
        oomKills: events?.['oom_kill'],
        events,
        stat,
        pressure: pressureIn(files, 'memory.pressure'),
      }),
    };
  },

  events: memoryEventsV2,

  outOfMemoryFiles: ['memory.events', 'memory.events.local', 'memory.max', 'memory.peak'],

  outOfMemory(files) {
    return {
      kills: keyIn(files, 'memory.events', 'oom_kill') ?? 0,
      // The other file counts the groups below too.
      atOwnLimit: (keyIn(files, 'memory.events.local', 'oom') ?? 0) > 0,
    };
  },
};
