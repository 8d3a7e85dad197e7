import type { ContainerMount } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { forbiddenTarget, normalTarget } from './targets.js';

const name = 'filesystem/linux';

/**
 * Where the mounts of a spec go, in its order. `INVALID_ARGUMENT` for a target that is malformed or given twice; `REFUSED`
 * for one that would undo the isolation.
 */
export function checkedTargets(mounts: readonly ContainerMount[]): readonly string[] {
  const targets = mounts.map(({ target }, index) => checkedTarget(target, `spec.mounts[${index}].target`));
  const twice = targets.findIndex((target, index) => targets.indexOf(target) !== index);
  if (twice >= 0) throw invalidField(`spec.mounts[${twice}].target`, `${targets[twice]} is given twice`);
  return targets;
}

function checkedTarget(target: string, field: string): string {
  const normal = normalTarget(target);
  if (normal === undefined) {
    throw invalidField(field, `'${target}' must be an absolute path without '..' or NUL`);
  }
  const reason = forbiddenTarget(normal);
  if (reason !== undefined) {
    throw refused(name, `${field}: ${target} ${reason}`, 'mount it somewhere else', {
      details: { field, path: target },
    });
  }
  return normal;
}
