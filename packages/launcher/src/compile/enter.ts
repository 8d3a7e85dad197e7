import type { LaunchRequest } from '@gantry/interface';
import type { EnterMessage } from '../protocol.generated.js';
import { compileCapabilities } from './capabilities.js';
import { compileGroups } from './cgroups.js';
import type { CompileSecrets } from './inputs.js';
import { compileNamespaces } from './namespaces.js';
import { compileConsole, compileProcess } from './process.js';
import { agentOf } from './seccomp/step.js';

/**
 * Compiles the process of a request to what has it started in the container that was launched from the same request.
 * Pure; refuses as `compilePlan` does. `oomScoreAdj` is the first process's, whose id is `pid`: the shim's own, which it would else
 * inherit, is lower.
 */
export function compileEnter(
  request: LaunchRequest,
  { pid, oomScoreAdj }: { readonly pid: number; readonly oomScoreAdj: number },
  secrets: CompileSecrets = 'masked',
): EnterMessage {
  const { config, parent } = request;
  return {
    op: 'enter',
    namespaces: compileNamespaces(config.linux.namespaces, parent).enterFlags,
    ...joinedGroups(request),
    terminal: config.process.terminal ? 1 : 0,
    agent: agentOf(config.linux.seccomp),
    steps: [
      { op: 'oomScoreAdj', value: oomScoreAdj },
      ...compileConsole(config.process, false),
      ...compileProcess(request, secrets, compileCapabilities(config.process.capabilities), 'program', {
        firstPid: pid,
      }),
    ],
  };
}

/** What a process needs to be in to use a container's network, besides the mount namespace that each must have. */
const connecting: ReadonlySet<string> = new Set(['mount', 'network', 'user']);

const nobody = 65_534;

/**
 * Compiles what has a TCP connection made from inside the network of a container: by a process without privilege, which
 * has nothing of the container but its network and its control groups.
 */
export function compileConnect(request: LaunchRequest, port: number): EnterMessage {
  const { config, parent, idMapper } = request;
  // Where there is no other user it is the namespace's root, without a capability.
  const id = idMapper === 'self' ? 0 : nobody;
  const namespaces = config.linux.namespaces.filter(({ type }) => connecting.has(type));
  const { enterFlags } = compileNamespaces(namespaces, parent);
  const none = compileNamespaces([{ type: 'mount' }]).enterFlags;
  return {
    op: 'enter',
    namespaces: enterFlags - none,
    ...joinedGroups(request),
    terminal: 0,
    agent: '',
    steps: [
      { op: 'capabilities', bounding: 0, effective: 0, permitted: 0, inheritable: 0, ambient: 0 },
      { op: 'user', uid: id, gid: id, groups: [] },
      { op: 'noNewPrivileges' },
      { op: 'ready' },
      { op: 'connect', port },
    ],
  };
}

function joinedGroups(request: LaunchRequest): Pick<EnterMessage, 'cgroups' | 'cgroup'> {
  const { clone, join } = compileGroups(request);
  return { cgroups: join, cgroup: clone };
}
