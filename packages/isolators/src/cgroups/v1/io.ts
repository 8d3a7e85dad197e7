import type { IoDeviceUsage } from '@gantry/interface';
import type { CgroupFiles, CgroupSetting, IoFormat } from '../cgroups.js';

const throttles = {
  readBytes: 'blkio.throttle.read_bps_device',
  writeBytes: 'blkio.throttle.write_bps_device',
  readOperations: 'blkio.throttle.read_iops_device',
  writeOperations: 'blkio.throttle.write_iops_device',
} as const;

/** Of CFQ before Linux 5.0, and of BFQ; the second has no effect on devices with another scheduler. */
const weights = ['blkio.weight', 'blkio.bfq.weight'] as const;

/**
 * Kernel documentation, admin-guide/cgroup-v1/blkio-controller. What is written through the page cache is charged to nobody
 * and held back by nothing.
 */
export const ioV1: IoFormat = {
  settings({ weight, devices }, present) {
    const file = weights.find(present) ?? weights[1];
    return [
      ...(weight === undefined ? [] : [{ file, value: String(weight) }]),
      ...devices.flatMap((limits) =>
        (Object.keys(throttles) as (keyof typeof throttles)[]).flatMap((kind) => {
          const rate = limits[kind];
          return rate === undefined ? [] : [throttle(throttles[kind], limits.device, rate)];
        }),
      ),
    ];
  },

  limitFiles: [...weights, ...Object.values(throttles)],

  cleared(held) {
    const weight = weights.find((file) => held.has(file));
    return [
      ...(weight === undefined ? [] : [{ file: weight, value: weight === 'blkio.weight' ? '500' : '100' }]),
      ...Object.values(throttles).flatMap((file) =>
        keysIn(held, file).map((device) => {
          const { value, list } = throttle(file, device, 0);
          return { file, value, list: { ...list, line: '' } };
        }),
      ),
    ];
  },

  usageFiles: ['blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_serviced_recursive'],

  usage(files) {
    const [bytes, operations] = [
      countsIn(files, 'blkio.throttle.io_service_bytes_recursive'),
      countsIn(files, 'blkio.throttle.io_serviced_recursive'),
    ];
    return [...new Set([...bytes.keys(), ...operations.keys()])].map((device): IoDeviceUsage => {
      const [major = 0, minor = 0] = device.split(':').map(Number);
      const of = (counts: typeof bytes, kind: string) => counts.get(device)?.get(kind) ?? 0;
      return {
        major,
        minor,
        readBytes: of(bytes, 'Read'),
        writeBytes: of(bytes, 'Write'),
        readOperations: of(operations, 'Read'),
        writeOperations: of(operations, 'Write'),
      };
    });
  },
};

function throttle(file: string, device: string, rate: number): CgroupSetting & Required<Pick<CgroupSetting, 'list'>> {
  const value = `${device} ${rate}`;
  return { file, value, list: { key: device, line: value, clear: `${device} 0` } };
}

function keysIn(files: CgroupFiles, name: string): string[] {
  return (files.get(name) ?? '')
    .split('\n')
    .map((line) => line.split(' ', 1)[0] ?? '')
    .filter((key) => /^\d+:\d+$/.test(key));
}

/** Of lines `8:0 Read 4096`. */
function countsIn(files: CgroupFiles, name: string): Map<string, Map<string, number>> {
  const counts = new Map<string, Map<string, number>>();
  for (const line of files.get(name)?.split('\n') ?? []) {
    const [, device, kind, count] = /^(\d+:\d+) (\w+) (\d+)$/.exec(line) ?? [];
    if (device === undefined || kind === undefined) continue;
    const ofDevice = counts.get(device) ?? new Map<string, number>();
    counts.set(device, ofDevice.set(kind, Number(count)));
  }
  return counts;
}
