import type { ContainerUsage } from '@gantry/interface';
import type { CgroupSetting, ControllerFormat, CpuLimits } from '../cgroups.js';
import { cpuPeriod, cpuQuota, cpuWeight } from '../cpu-amounts.js';
import { keyIn } from '../text-files.js';

/** Kernel documentation, admin-guide/cgroup-v2, "CPU Interface Files". */
export const cpuV2: ControllerFormat<CpuLimits, NonNullable<ContainerUsage['cpu']>> = {
  settings({ request, limit }): CgroupSetting[] {
    return [
      ...(request === undefined ? [] : [{ file: 'cpu.weight', value: String(cpuWeight(request)) }]),
      ...(limit === undefined ? [] : [{ file: 'cpu.max', value: `${cpuQuota(limit)} ${cpuPeriod}` }]),
    ];
  },

  defaults: [
    { file: 'cpu.weight', value: '100', optional: true },
    { file: 'cpu.max', value: `max ${cpuPeriod}`, optional: true },
  ],

  usageFiles: ['cpu.stat'],

  usage(files) {
    const nanoseconds = (key: string) => {
      const microseconds = keyIn(files, 'cpu.stat', key);
      return microseconds === undefined ? undefined : microseconds * 1000;
    };
    const user = nanoseconds('user_usec');
    const system = nanoseconds('system_usec');
    const throttledPeriods = keyIn(files, 'cpu.stat', 'nr_throttled');
    const throttledTime = nanoseconds('throttled_usec');
    return {
      total: nanoseconds('usage_usec') ?? 0,
      ...(user === undefined ? {} : { user }),
      ...(system === undefined ? {} : { system }),
      ...(throttledPeriods === undefined ? {} : { throttledPeriods }),
      ...(throttledTime === undefined ? {} : { throttledTime }),
    };
  },
};
