import type { Isolator, Resources } from '@gantry/interface';
import { refused } from '../errors.js';

const name = 'cgroups/none';

/**
 * `cgroups/none`: stands for the control group isolators where the host program may make no control groups. Containers have
 * no limits of their own, and a spec that asks for one is `REFUSED`.
 */
export function cgroupsNone(problem: string, remedy: string): Isolator {
  const check = (resources: Resources | undefined) => {
    // No control group's to give.
    const { gpus: _, ...limits } = resources ?? {};
    const asked = leavesOf(limits).filter(([, value]) => value !== undefined && value !== Infinity);
    if (asked.length === 0) return;
    throw refused(name, `resources.${asked[0]?.[0]} cannot be had: ${problem}`, remedy, {
      details: { fields: asked.map(([field]) => field) },
    });
  };
  return {
    name,
    async edits({ spec }) {
      check(spec.resources);
      return {};
    },
    async update(_id, resources) {
      check(resources);
    },
  };
}

function leavesOf(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([key, item]: [string, unknown]) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? leavesOf(item, `${prefix}${key}.`)
      : [[`${prefix}${key}`, item] as [string, unknown]],
  );
}
