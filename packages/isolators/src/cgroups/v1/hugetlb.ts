import type { HugetlbFormat } from '../cgroups.js';
import { given, numberIn, unlimitedFrom } from '../text-files.js';

/** Kernel documentation, admin-guide/cgroup-v1/hugetlb. */
export const hugetlbV1: HugetlbFormat = {
  settings(size, bytes) {
    const value = Number.isFinite(bytes) ? String(bytes) : '-1';
    return [
      { file: `hugetlb.${size}.limit_in_bytes`, value },
      { file: `hugetlb.${size}.rsvd.limit_in_bytes`, value, optional: true },
    ];
  },

  usageFiles: (size) =>
    ['limit_in_bytes', 'usage_in_bytes', 'max_usage_in_bytes', 'failcnt', 'rsvd.failcnt'].map(
      (name) => `hugetlb.${size}.${name}`,
    ),

  usage(size, files) {
    const number = (name: string) => numberIn(files, `hugetlb.${size}.${name}`);
    const limit = number('limit_in_bytes');
    return {
      current: number('usage_in_bytes') ?? 0,
      refusals: (number('failcnt') ?? 0) + (number('rsvd.failcnt') ?? 0),
      // What it shows for none is rounded down to whole huge pages.
      ...given({
        limit: limit !== undefined && limit < unlimitedFrom ? limit : undefined,
        peak: number('max_usage_in_bytes'),
      }),
    };
  },
};
