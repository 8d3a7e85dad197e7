import { refused } from '../errors.js';
import type { Controller } from './cgroups.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';

/**
 * Whether a running container has a group of a controller that only those have that ask for it. If it has not, and `asked`,
 * it gets one; where it cannot, `REFUSED`.
 */
export async function extended(
  options: CgroupIsolatorOptions,
  controller: Controller,
  id: string,
  isolator: string,
  field: string,
  asked: boolean,
): Promise<boolean> {
  const { cgroups } = options;
  const path = groupOf(options, id);
  if (!asked) return cgroups.holds(controller, path);
  if (cgroups.holds(controller, path) || (await cgroups.extend(controller, path, isolator))) return true;
  throw refused(
    isolator,
    `container ${id} was launched without ${field}, and cgroup v1 gives it none later`,
    `launch it with ${field}`,
    { details: { field } },
  );
}
