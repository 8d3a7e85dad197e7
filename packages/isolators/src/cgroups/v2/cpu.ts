import type { ContainerUsage } from '@gantry/interface';
import type { CgroupSetting, ControllerFormat, CpuLimits } from '../cgroups.js';
import { cpuBurst, cpuPeriod, cpuQuota, cpuTransition, cpuWeight } from '../cpu-amounts.js';
import { pressureIn } from '../pressure.js';
import { given, keyIn } from '../text-files.js';

/** Kernel documentation, admin-guide/cgroup-v2, "CPU Interface Files". */
export const cpuV2: ControllerFormat<CpuLimits, NonNullable<ContainerUsage['cpu']>> = {
  settings({ request, limit, burst, idle }): CgroupSetting[] {
    return [
      ...(idle ? [{ file: 'cpu.idle', value: '1' }] : []),
      ...(request === undefined ? [] : [{ file: 'cpu.weight', value: String(cpuWeight(request)) }]),
      ...(limit === undefined ? [] : [{ file: 'cpu.max', value: `${cpuQuota(limit)} ${cpuPeriod}` }]),
      ...(burst === undefined ? [] : [{ file: 'cpu.max.burst', value: String(cpuBurst(burst)) }]),
    ];
  },

  defaults: [
    { file: 'cpu.idle', value: '0', optional: true },
    { file: 'cpu.weight', value: '100', optional: true },
    { file: 'cpu.max', value: `max ${cpuPeriod}`, optional: true },
    { file: 'cpu.max.burst', value: '0', optional: true },
  ],

  transition: (settings, held) => cpuTransition(settings, held, { burst: 'cpu.max.burst', weight: 'cpu.weight' }),

  usageFiles: ['cpu.stat', 'cpu.pressure'],

  usage(files) {
    const stat = (key: string) => keyIn(files, 'cpu.stat', key);
    const nanoseconds = (key: string) => {
      const microseconds = stat(key);
      return microseconds === undefined ? undefined : microseconds * 1000;
    };
    return {
      total: nanoseconds('usage_usec') ?? 0,
      ...given({
        user: nanoseconds('user_usec'),
        system: nanoseconds('system_usec'),
        periods: stat('nr_periods'),
        throttledPeriods: stat('nr_throttled'),
        throttledTime: nanoseconds('throttled_usec'),
        burstPeriods: stat('nr_bursts'),
        burstTime: nanoseconds('burst_usec'),
        pressure: pressureIn(files, 'cpu.pressure'),
      }),
    };
  },
};
