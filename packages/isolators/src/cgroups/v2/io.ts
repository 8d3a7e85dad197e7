import type { IoDeviceUsage } from '@gantry/interface';
import type { CgroupFiles, CgroupSetting, IoFormat, NumberedIoLimits } from '../cgroups.js';
import { lineOf } from '../settings.js';

/** In the order in which the kernel shows them. */
const rates = [
  ['rbps', 'readBytes'],
  ['wbps', 'writeBytes'],
  ['riops', 'readOperations'],
  ['wiops', 'writeOperations'],
] as const;

/** Kernel documentation, admin-guide/cgroup-v2, "IO Interface Files". */
export const ioV2: IoFormat = {
  settings({ weight, devices }, present) {
    return [...(weight === undefined ? [] : [weightSetting(weight, present)]), ...devices.map(maxSetting)];
  },

  limitFiles: ['io.weight', 'io.bfq.weight', 'io.max'],

  cleared(held) {
    const weights = ['io.weight', 'io.bfq.weight'].filter((file) => held.has(file)).slice(0, 1);
    return [
      ...weights.map((file) => defaultWeight(file, 100)),
      ...devicesIn(held, 'io.max').map((device) => {
        const { file, value, list } = maxSetting({ device });
        return { file, value, list: { ...list, line: '' } };
      }),
    ];
  },

  usageFiles: ['io.stat', 'io.pressure'],

  usage(files) {
    return devicesIn(files, 'io.stat').map((device): IoDeviceUsage => {
      const [major = 0, minor = 0] = device.split(':').map(Number);
      const line = lineOf(files.get('io.stat') ?? '', device);
      const count = (key: string) => Number(new RegExp(` ${key}=(\\d+)`).exec(line)?.[1] ?? 0);
      return {
        major,
        minor,
        readBytes: count('rbytes'),
        writeBytes: count('wbytes'),
        readOperations: count('rios'),
        writeOperations: count('wios'),
      };
    });
  },
};

/** `io.weight` is the kernel's own, from 1 to 10000; `io.bfq.weight` the scheduler's, from 1 to 1000. Both begin at 100. */
function weightSetting(weight: number, present: (file: string) => boolean): CgroupSetting {
  if (present('io.weight') || !present('io.bfq.weight')) return defaultWeight('io.weight', weight);
  return defaultWeight('io.bfq.weight', weight);
}

function defaultWeight(file: string, weight: number): CgroupSetting {
  const value = `default ${weight}`;
  return { file, value, list: { key: 'default', line: value, clear: 'default 100' } };
}

function maxSetting(limits: NumberedIoLimits): CgroupSetting & Required<Pick<CgroupSetting, 'list'>> {
  const words = rates.map(([word, kind]) => `${word}=${limits[kind] ?? 'max'}`);
  const value = `${limits.device} ${words.join(' ')}`;
  const clear = `${limits.device} ${rates.map(([word]) => `${word}=max`).join(' ')}`;
  return { file: 'io.max', value, list: { key: limits.device, line: value, clear } };
}

function devicesIn(files: CgroupFiles, name: string): string[] {
  return (files.get(name) ?? '')
    .split('\n')
    .map((line) => line.split(' ', 1)[0] ?? '')
    .filter((key) => /^\d+:\d+$/.test(key));
}
