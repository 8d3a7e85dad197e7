import type { ContainerUsage } from '@gantry/interface';
import type { CgroupSetting, ControllerFormat, CpuLimits } from '../cgroups.js';
import { cpuBurst, cpuPeriod, cpuQuota, cpuShares, cpuTransition } from '../cpu-amounts.js';
import { given, keyIn, numberIn } from '../text-files.js';

/** USER_HZ, in which the kernel reports times to programs on every architecture that Node.js runs on. */
const nanosecondsPerTick = 10_000_000;

/** Kernel documentation, scheduler/sched-bwc and admin-guide/cgroup-v1/cpuacct. */
export const cpuV1: ControllerFormat<CpuLimits, NonNullable<ContainerUsage['cpu']>> = {
  settings({ request, limit, burst, idle }): CgroupSetting[] {
    return [
      ...(idle ? [{ file: 'cpu.idle', value: '1' }] : []),
      ...(request === undefined ? [] : [{ file: 'cpu.shares', value: String(cpuShares(request)) }]),
      ...(limit === undefined
        ? []
        : [
            { file: 'cpu.cfs_period_us', value: String(cpuPeriod) },
            { file: 'cpu.cfs_quota_us', value: String(cpuQuota(limit)) },
          ]),
      ...(burst === undefined ? [] : [{ file: 'cpu.cfs_burst_us', value: String(cpuBurst(burst)) }]),
    ];
  },

  defaults: [
    { file: 'cpu.idle', value: '0', optional: true },
    { file: 'cpu.shares', value: '1024', optional: true },
    { file: 'cpu.cfs_period_us', value: String(cpuPeriod), optional: true },
    { file: 'cpu.cfs_quota_us', value: '-1', optional: true },
    { file: 'cpu.cfs_burst_us', value: '0', optional: true },
  ],

  transition: (settings, held) => cpuTransition(settings, held, { burst: 'cpu.cfs_burst_us', weight: 'cpu.shares' }),

  usageFiles: ['cpuacct.usage', 'cpuacct.stat', 'cpu.stat'],

  usage(files) {
    const user = keyIn(files, 'cpuacct.stat', 'user');
    const system = keyIn(files, 'cpuacct.stat', 'system');
    const stat = (key: string) => keyIn(files, 'cpu.stat', key);
    return {
      total: numberIn(files, 'cpuacct.usage') ?? 0,
      ...given({
        user: user === undefined ? undefined : user * nanosecondsPerTick,
        system: system === undefined ? undefined : system * nanosecondsPerTick,
        periods: stat('nr_periods'),
        throttledPeriods: stat('nr_throttled'),
        throttledTime: stat('throttled_time'),
        burstPeriods: stat('nr_bursts'),
        burstTime: stat('burst_time'),
      }),
    };
  },
};
