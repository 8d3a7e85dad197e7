import type { ContainerUsage } from '@gantry/interface';
import type { CgroupSetting, ControllerFormat, CpuLimits } from '../cgroups.js';
import { cpuPeriod, cpuQuota, cpuShares } from '../cpu-amounts.js';
import { keyIn, numberIn } from '../text-files.js';

/** USER_HZ, in which the kernel reports times to programs on every architecture that Node.js runs on. */
const nanosecondsPerTick = 10_000_000;

/** Kernel documentation, scheduler/sched-bwc and admin-guide/cgroup-v1/cpuacct. */
export const cpuV1: ControllerFormat<CpuLimits, NonNullable<ContainerUsage['cpu']>> = {
  settings({ request, limit }): CgroupSetting[] {
    return [
      ...(request === undefined ? [] : [{ file: 'cpu.shares', value: String(cpuShares(request)) }]),
      ...(limit === undefined
        ? []
        : [
            { file: 'cpu.cfs_period_us', value: String(cpuPeriod) },
            { file: 'cpu.cfs_quota_us', value: String(cpuQuota(limit)) },
          ]),
    ];
  },

  defaults: [
    { file: 'cpu.shares', value: '1024', optional: true },
    { file: 'cpu.cfs_period_us', value: String(cpuPeriod), optional: true },
    { file: 'cpu.cfs_quota_us', value: '-1', optional: true },
  ],

  usageFiles: ['cpuacct.usage', 'cpuacct.stat', 'cpu.stat'],

  usage(files) {
    const user = keyIn(files, 'cpuacct.stat', 'user');
    const system = keyIn(files, 'cpuacct.stat', 'system');
    const throttledPeriods = keyIn(files, 'cpu.stat', 'nr_throttled');
    const throttledTime = keyIn(files, 'cpu.stat', 'throttled_time');
    return {
      total: numberIn(files, 'cpuacct.usage') ?? 0,
      ...(user === undefined ? {} : { user: user * nanosecondsPerTick }),
      ...(system === undefined ? {} : { system: system * nanosecondsPerTick }),
      ...(throttledPeriods === undefined ? {} : { throttledPeriods }),
      ...(throttledTime === undefined ? {} : { throttledTime }),
    };
  },
};
