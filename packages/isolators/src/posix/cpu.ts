import type { Isolator } from '@gantry/interface';
import { processTree } from './process-tree.js';

/**
 * `posix/cpu`: tells the processor time of a container, from procfs, and limits nothing. Time of processes that their parents have
 * not waited for is lost with them. For hosts without control groups, and only where it is given to the containerizer.
 */
export function posixCpu(): Isolator {
  return {
    name: 'posix/cpu',
    async edits() {
      return {};
    },
    async usage(_id, pid) {
      if (pid === undefined) return {};
      const tree = processTree(pid);
      const sum = (key: 'user' | 'system') => tree.reduce((total, figures) => total + figures[key], 0);
      const [user, system] = [sum('user'), sum('system')];
      return { cpu: { total: user + system, user, system } };
    },
  };
}
