import { GantryError, type LaunchRequest } from '@gantry/interface';

/** The groups of a process: the v2 folder that it is cloned into, empty for that of whoever clones it, and those it joins. */
export interface CompiledGroups {
  readonly clone: string;
  readonly join: readonly string[];
}

/** On v2 a process begins in its folder; groups of v1, and on v1 all, are joined. `INVALID_ARGUMENT` for two folders of v2. */
export function compileGroups({ cgroups, cgroupVersion, cgroupTree }: LaunchRequest): CompiledGroups {
  if (cgroupVersion === 'v1') return { clone: '', join: cgroups };
  const isV2 = (folder: string) => cgroupTree === undefined || folder.startsWith(`${cgroupTree}/`);
  const [clone = '', ...more] = cgroups.filter(isV2);
  if (more.length > 0) {
    throw new GantryError(
      'INVALID_ARGUMENT',
      `a process can be in one cgroup v2 folder, not in ${[clone, ...more].join(', ')}`,
      { details: { field: 'cgroups' } },
    );
  }
  return { clone, join: cgroups.filter((folder) => !isV2(folder)) };
}
