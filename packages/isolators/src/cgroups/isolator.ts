import type { PrepareContext } from '@gantry/interface';
import { invalidField } from '../errors.js';
import type { Cgroups } from './cgroups.js';

/** What every `cgroups/*` isolator is made with. */
export interface CgroupIsolatorOptions {
  readonly cgroups: Cgroups;
  /**
   * The group below which each container gets its own, e.g. `/gantry`. Its last part is Gantry's, made when needed and
   * removed, if empty, when the containerizer closes, so limits on all containers together belong on a group above it, which must exist.
   */
  readonly cgroupParent: string;
}

/** `INVALID_ARGUMENT` unless the parent is an absolute, normal path below the root. */
export function checkCgroupParent(path: string): void {
  if (!/^(\/[A-Za-z0-9_.:@-]+)+$/.test(path) || path.split('/').some((part) => part === '.' || part === '..')) {
    throw invalidField('cgroupParent', `must be an absolute path as '/gantry', not '${path}'`);
  }
}

/** The group of a container, by its id alone: clean-up knows nothing else. */
export function groupOf(options: CgroupIsolatorOptions, id: string): string {
  return `${options.cgroupParent}/${id}`;
}

/** As {@link groupOf}; what is prepared must be what is cleaned up. */
export function preparedGroup(options: CgroupIsolatorOptions, context: PrepareContext): string {
  const path = groupOf(options, context.id);
  if (context.cgroupPath !== path) {
    throw invalidField('cgroupPath', `is ${context.cgroupPath}, but the isolators were made for ${path}`);
  }
  return path;
}
