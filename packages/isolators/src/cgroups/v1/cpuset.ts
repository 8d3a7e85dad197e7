import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { refused } from '../../errors.js';

/**
 * Gives a new group, and its parent if that is new too, the CPUs and memory nodes of the group above: as the kernel makes
 * them they have none, and no process can be in them. Kernel documentation, admin-guide/cgroup-v1/cpusets.
 */
export function inheritCpuset(folder: string, isolator: string): void {
  for (const group of [dirname(folder), folder]) {
    for (const name of ['cpuset.cpus', 'cpuset.mems']) inherit(group, name, isolator);
  }
}

function inherit(group: string, name: string, isolator: string): void {
  const file = join(group, name);
  try {
    if (readFileSync(file, 'latin1').trim() !== '') return;
    const above = readFileSync(join(dirname(group), name), 'latin1').trim();
    if (above === '') {
      throw refused(isolator, `${dirname(group)} has no ${name}`, 'set it there first: it is not ours', {
        details: { path: dirname(group) },
      });
    }
    writeFileSync(file, above, { flag: 'r+' });
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw refused(isolator, `${file} could not be made as above it (${errno})`, 'run the host program as root', {
      cause,
      details: { path: file, errno },
    });
  }
}
