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

/** Of iocost, from 1 to 10000, and of the scheduler BFQ, from 1 to 1000. Both begin at 100. */
const weightFiles = ['io.weight', 'io.bfq.weight'] as const;

/** Kernel documentation, admin-guide/cgroup-v2, "IO Interface Files". */
export const ioV2: IoFormat = {
  settings({ weight, devices }, present) {
    return [...(weight === undefined ? [] : weightSettings(weight, present)), ...devices.map(maxSetting)];
  },

  limitFiles: [...weightFiles, 'io.max'],

  cleared(held) {
    return [
      ...weightFiles.filter((file) => held.has(file)).map((file) => defaultWeight(file, 100)),
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

/** Both where both are: which of them counts depends on what each disk has. A kernel with neither is told of by the first. */
function weightSettings(weight: number, present: (file: string) => boolean): CgroupSetting[] {
  const files = weightFiles.filter(present);
  return (files.length > 0 ? files : weightFiles.slice(0, 1)).map((file) => defaultWeight(file, weight));
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
