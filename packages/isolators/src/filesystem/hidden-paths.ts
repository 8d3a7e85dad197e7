import { access, readdir } from 'node:fs/promises';
import { errnoOf, toGantryError } from '@gantry/interface';

/** Parts of /proc and /sys that tell about, or steer, the whole machine. Hidden from containers. */
const maskedPaths: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** Parts of /proc that may be read but not written. */
export const readonlyPaths: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** What to mask on this host: the fixed list, and the throttling counters of each CPU that has them. */
export async function findMaskedPaths(): Promise<readonly string[]> {
  const folder = '/sys/devices/system/cpu';
  const names = await namesIn(folder);
  const throttles = names
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => `${folder}/${name}/thermal_throttle`)
    .sort();
  const found = await Promise.all(
    throttles.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return [...maskedPaths, ...throttles.filter((_, index) => found[index])];
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw toGantryError(error, `listing ${folder}`);
  }
}
