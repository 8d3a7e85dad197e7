import type { LaunchRequest } from '@gantry/interface';
import type { EnterMessage } from '../protocol.generated.js';
import { compileNamespaces } from './namespaces.js';
import { compileProcess } from './process.js';

/** `CLONE_NEWCGROUP`: entered like the others, though it is not made with them. */
const cgroupNamespace = 0x02000000;

/**
 * Compiles the process of a request to what has it started in the container that was launched from the same request.
 * Pure; refuses as `compilePlan` does. `oomScoreAdj` is the first process's: the shim's own, which it would else
 * inherit, is lower.
 */
export function compileEnter(request: LaunchRequest, oomScoreAdj: number): EnterMessage {
  const { config, cgroups, cgroupVersion, clampedRlimits } = request;
  const { types, cloneFlags, unshareFlags } = compileNamespaces(config.linux.namespaces);
  return {
    op: 'enter',
    namespaces: cloneFlags + unshareFlags + (types.has('cgroup') ? cgroupNamespace : 0),
    cgroups: cgroupVersion === 'v1' ? cgroups : [],
    cgroup: cgroupVersion === 'v2' ? (cgroups[0] ?? '') : '',
    steps: [{ op: 'oomScoreAdj', value: oomScoreAdj }, ...compileProcess(config.process, clampedRlimits)],
  };
}
