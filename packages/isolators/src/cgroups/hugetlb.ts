import { readdir } from 'node:fs/promises';
import {
  type ContainerUsage,
  errnoOf,
  type HugepageUsage,
  type Isolator,
  type Resources,
  toGantryError,
} from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { changeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { extended } from './optional-controller.js';
import { applySettings } from './settings.js';
import { readFiles } from './text-files.js';

const name = 'cgroups/hugetlb';
const folder = '/sys/kernel/mm/hugepages';
const units = ['KB', 'MB', 'GB'] as const;

/**
 * `cgroups/hugetlb`: bytes of huge pages, reserved or in use, by page size. Only a container that asks for such a limit has a
 * group for it: without it, it shares those of the host with everybody.
 */
export function cgroupsHugetlb(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  const { hugetlb } = cgroups;
  const settingsOf = (limits: ReadonlyMap<string, number>) =>
    [...limits].flatMap(([size, bytes]) => hugetlb.settings(size, bytes));
  return controllerIsolator(options, {
    name,
    controller: 'hugetlb',
    async resources({ spec }) {
      const limits = await limitsOf(spec.resources);
      if (limits.size === 0) return undefined;
      return { hugepageLimits: [...limits].map(([pageSize, limit]) => ({ pageSize, limit })) };
    },
    async limit(path, { spec }) {
      applySettings(cgroups, path, settingsOf(await limitsOf(spec.resources)), name);
    },
    async usage(id): Promise<Pick<ContainerUsage, 'hugepages'>> {
      const path = groupOf(options, id);
      if (!cgroups.holds('hugetlb', path)) return {};
      const sizes = await pageSizes();
      const usages = await Promise.all(
        sizes.map(async (size): Promise<[string, HugepageUsage]> => {
          return [size, hugetlb.usage(size, await readFiles(cgroups, path, hugetlb.usageFiles(size)))];
        }),
      );
      return { hugepages: Object.fromEntries(usages) };
    },
    async update(id, resources, call) {
      const path = groupOf(options, id);
      const limits = await limitsOf(resources);
      if (!(await extended(options, 'hugetlb', id, name, 'resources.limits.hugepages', limits.size > 0))) return;
      const none = (await pageSizes()).map((size) => [size, Number.POSITIVE_INFINITY] as const);
      const settings = settingsOf(new Map([...none, ...limits]));
      await changeSettings({ cgroups, id, path, isolator: name }, settings, {}, call);
    },
  });
}

async function limitsOf(resources: Resources | undefined): Promise<ReadonlyMap<string, number>> {
  const asked = Object.entries(resources?.limits?.hugepages ?? {});
  if (asked.length === 0) return new Map();
  const sizes = await pageSizes();
  for (const [size, bytes] of asked) {
    const field = `spec.resources.limits.hugepages.${size}`;
    if (!sizes.includes(size)) {
      throw refused(
        name,
        `${field}: this host has no huge pages of ${size}`,
        `use one of ${sizes.join(', ') || 'none'}`,
        {
          details: { field },
        },
      );
    }
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes % bytesOf(size) !== 0) {
      throw invalidField(field, `must be a whole number of pages of ${bytesOf(size)} bytes, not ${bytes} bytes`);
    }
  }
  return new Map(asked);
}

/** The sizes that the kernel has, as it writes them in the files of control groups: `2MB`. */
async function pageSizes(): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.flatMap((entry) => {
      const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(entry)?.[1]);
      return Number.isSafeInteger(kilobytes) ? [sizeName(kilobytes)] : [];
    });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw toGantryError(error, `${name}: looking for the sizes of huge pages`);
  }
}

/** `2048` kilobytes are `2MB`. */
export function sizeName(kilobytes: number): string {
  const unit = kilobytes >= 1024 ** 2 ? 2 : kilobytes >= 1024 ? 1 : 0;
  return `${kilobytes / 1024 ** unit}${units[unit]}`;
}

function bytesOf(size: string): number {
  const unit = units.findIndex((suffix) => size.endsWith(suffix));
  return Number.parseInt(size, 10) * 1024 ** (unit + 1);
}
