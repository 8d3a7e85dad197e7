import type { Isolator } from '@gantry/interface';
import { processTree } from './process-tree.js';

/**
 * `posix/mem`: tells how much memory the processes of a container hold, from procfs, and limits nothing. What they share is
 * counted for each. For hosts without control groups, and only where it is given to the containerizer.
 */
export function posixMem(): Isolator {
  return {
    name: 'posix/mem',
    async edits() {
      return {};
    },
    async usage(_id, pid) {
      if (pid === undefined) return {};
      const current = processTree(pid).reduce((total, { resident }) => total + resident, 0);
      return { memory: { current } };
    },
  };
}
