import type { CgroupFiles, CgroupSetting } from './cgroups.js';

/** Microseconds over which a CPU quota is counted: the kernel's default, and Mesos's. */
export const cpuPeriod = 100_000;

/** Microseconds: the kernel takes no smaller quota. */
const minQuota = 1_000;

/** v1 `cpu.shares` for a number of CPUs: 1024 each, within what the kernel takes. */
export function cpuShares(cpus: number): number {
  return clamp(Math.round(cpus * 1024), 2, 262_144);
}

/** v2 `cpu.weight` for a number of CPUs: 100 each, within what the kernel takes. */
export function cpuWeight(cpus: number): number {
  return clamp(Math.round(cpus * 100), 1, 10_000);
}

/** Microseconds of CPU time a period for a number of CPUs; below 0.01 it is as for 0.01. */
export function cpuQuota(cpus: number): number {
  return Math.max(Math.round(cpus * cpuPeriod), minQuota);
}

/** Microseconds on top of the quota in a period that follows idle ones. */
export function cpuBurst(cpus: number): number {
  return Math.round(cpus * cpuPeriod);
}

/**
 * The order in which a CPU group in use takes settings: the burst, given by its file, may never be above the quota; and a group that is
 * idle has no weight of its own.
 */
export function cpuTransition(
  settings: readonly CgroupSetting[],
  held: CgroupFiles,
  files: { readonly burst: string; readonly weight: string },
): CgroupSetting[] {
  const isIdle = (settings.find(({ file }) => file === 'cpu.idle')?.value ?? held.get('cpu.idle')?.trim()) === '1';
  const wanted = settings.filter(({ file }) => file !== files.burst && !(isIdle && file === files.weight));
  const burst = settings.filter(({ file }) => file === files.burst);
  const before = held.get(files.burst)?.trim();
  if (before === undefined || before === '0' || wanted.length === 0) return [...wanted, ...burst];
  const after = burst.length > 0 ? burst : [{ file: files.burst, value: before }];
  return [{ file: files.burst, value: '0' }, ...wanted, ...after];
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
