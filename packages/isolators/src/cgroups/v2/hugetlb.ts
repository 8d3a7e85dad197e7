import type { HugetlbFormat } from '../cgroups.js';
import { given, keyIn, numberIn } from '../text-files.js';

/**
 * Kernel documentation, admin-guide/cgroup-v2, "HugeTLB Interface Files". The limit on what is reserved has mmap(2) fail; by that on
 * what is in use alone a program would be sent SIGBUS when it touches the page.
 */
export const hugetlbV2: HugetlbFormat = {
  settings(size, bytes) {
    const value = Number.isFinite(bytes) ? String(bytes) : 'max';
    return [
      { file: `hugetlb.${size}.max`, value },
      { file: `hugetlb.${size}.rsvd.max`, value, optional: true },
    ];
  },

  usageFiles: (size) => ['max', 'current', 'events'].map((name) => `hugetlb.${size}.${name}`),

  usage(size, files) {
    return {
      current: numberIn(files, `hugetlb.${size}.current`) ?? 0,
      refusals: keyIn(files, `hugetlb.${size}.events`, 'max') ?? 0,
      ...given({ limit: numberIn(files, `hugetlb.${size}.max`) }),
    };
  },
};
