import { readFile, stat } from 'node:fs/promises';
import { errnoOf, type IoDeviceLimits } from '@gantry/interface';
import { refused } from '../errors.js';
import { deviceNumbers } from '../linux/device-numbers.js';
import type { NumberedIoLimits } from './cgroups.js';

/** Limits by the numbers of their devices, those on one device together. `REFUSED`, by `isolator`, for what is no disk. */
export async function numberedLimits(
  devices: readonly IoDeviceLimits[],
  isolator: string,
): Promise<NumberedIoLimits[]> {
  const byNumbers = new Map<string, NumberedIoLimits>();
  for (const [index, { device, ...rates }] of devices.entries()) {
    const field = `spec.resources.io.devices[${index}].device`;
    const numbers = await blockDevice(device, field, isolator);
    byNumbers.set(numbers, { ...byNumbers.get(numbers), ...rates, device: numbers });
  }
  return [...byNumbers.values()];
}

async function blockDevice(device: string, field: string, isolator: string): Promise<string> {
  const numbers = /^\d+:\d+$/.test(device) ? device : await numbersOf(device, field, isolator);
  const problem = await notLimitable(numbers);
  if (problem !== undefined) {
    throw refused(isolator, `${field}: ${device} ${problem[0]}`, problem[1], { details: { field, path: device } });
  }
  return numbers;
}

async function numbersOf(path: string, field: string, isolator: string): Promise<string> {
  try {
    const stats = await stat(path);
    if (!stats.isBlockDevice()) {
      throw refused(
        isolator,
        `${field}: ${path} is not a block device`,
        "give a disk's node or its numbers, as '8:0'",
        {
          details: { field, path },
        },
      );
    }
    const { major, minor } = deviceNumbers(stats.rdev);
    return `${major}:${minor}`;
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw refused(isolator, `${field}: ${path} cannot be had (${errno})`, 'attach the disk, or leave it out', {
      cause,
      details: { field, path, errno },
    });
  }
}

/** The kernel limits a queue, which whole disks have. */
async function notLimitable(numbers: string): Promise<[problem: string, remedy: string] | undefined> {
  const folder = `/sys/dev/block/${numbers}`;
  const [disk, partition] = await Promise.all([exists(`${folder}/dev`), exists(`${folder}/partition`)]);
  if (!disk) return ['is no block device of this host', 'attach the disk, or leave it out'];
  return partition ? ['is a partition', 'limit the disk that it is on'] : undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await readFile(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
