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

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
