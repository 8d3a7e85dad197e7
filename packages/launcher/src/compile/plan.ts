import type { LaunchPlan, LaunchRequest } from '@gantry/interface';
import { protocolVersion, type Step } from '../protocol.generated.js';
import { compileAlike, ownSteps } from './alike.js';
import { compileGroups } from './cgroups.js';
import { compileHooks } from './hooks.js';
import { type CompileInputs, forShow } from './inputs.js';
import { refuseUnknownFields } from './known-fields.js';
import { compileRuleset } from './landlock.js';
import type { CompiledNamespaces } from './namespaces.js';
import { compileConsole, compileProcess } from './process.js';
import { absolutePath, integer, invalid, unsupported } from './refusal.js';
import { remarksOn } from './seccomp/step.js';
import { compileTime } from './time.js';
import { type CompiledUsers, compileUsers } from './users.js';

/** A launch plan with what the shim needs to know before the first step: how to clone the process that performs it. */
export interface ShimPlan extends LaunchPlan {
  /** `CLONE_NEW*` bits of the namespaces that the process is cloned into. */
  readonly cloneFlags: number;
  /** `CLONE_NEW*` bits of those that it makes itself, just before the first step. */
  readonly unshareFlags: number;
  /** The cgroup v2 folder into which the process is cloned; empty for the shim's own. */
  readonly cgroup: string;
  /** The process some of whose namespaces the process is cloned into. */
  readonly within?: CompiledNamespaces['within'];
  /** The ids of its user namespace, if it is in one. */
  readonly users?: CompiledUsers;
  readonly steps: readonly Step[];
  /** Whether it is so far without control groups that these can be made meanwhile: it has the step `awaitGroups`. */
  readonly awaitsGroups: boolean;
  /** The first of them, which need nothing of the host and are the same for most containers; the same array for the same steps, as a rule. */
  readonly ahead: readonly Step[];
}

/**
 * Compiles a finished document to the steps that carry it out. Pure. `UNSUPPORTED`, with `details.field`, for
 * anything that the shim cannot do; `INVALID_DOCUMENT`, with `details.path`, for what breaks the specification.
 *
 * The order is forced by the kernel: what needs the host's paths comes before `pivotRoot`; sysctls are written before
 * /proc/sys turns read-only, and everything is created before the root does; `exec` follows the barrier `ready` alone.
 * With `stages` what is the same for most containers comes first, and `stage` before it.
 *
 * Without `inputs` the plan is one to show.
 */
export function compilePlan(request: LaunchRequest, inputs: CompileInputs = forShow): ShimPlan {
  const { config } = request;
  if (!/^1\./.test(config.ociVersion)) {
    throw unsupported('ociVersion', `${config.ociVersion} is not a version 1 of the runtime specification`);
  }
  refuseUnknownFields(config);
  const alike = compileAlike(request, inputs);
  const { early, propagation, namespaces, capabilities, ofNamespaces, stage, ahead, later } = alike;
  const users = compileUsers(request, namespaces);
  const root = absolutePath(config.root.path, 'root.path');
  const joins = joinCgroups(request, namespaces);
  const awaitsGroups = stage !== undefined && joins.length > 0;
  const steps: Step[] = [
    ...ahead,
    ...early,
    ...(stage ? [] : [propagation, ...namespaces.joins]),
    ...compileHostname(config.hostname, namespaces),
    ...(stage ? [] : ofNamespaces),
    ...(awaitsGroups ? [] : joins),
    ...compileTime(config.linux.timeOffsets, namespaces),
    ...compileOomScore(config.process.oomScoreAdj),
    ...compileRoot(request.rootfs, root),
    ...(stage?.bring ?? []),
    ...later.mounts,
    ...later.devices,
    { op: 'makeFolder', path: absolutePath(config.process.cwd, 'process.cwd') },
    ...(awaitsGroups ? [{ op: 'awaitGroups' } as const, ...joins] : []),
    ...compileHooks(request, 'createContainer'),
    { op: 'pivotRoot', path: root },
    ...compileConsole(config.process, true),
    ...later.protections,
    ...(config.root.readonly ? [{ op: 'readonlyRoot' } as const] : []),
    ...compileRuleset(request),
    ...compileProcess(request, inputs.secrets, capabilities, request.first, {
      hooks: compileHooks(request, 'startContainer'),
    }).filter(({ op }) => !stage || !ownSteps.has(op)),
  ];
  const { cloneFlags, within } = namespaces;
  const unshareFlags = stage ? 0 : namespaces.unshareFlags;
  const clone = { cloneFlags, unshareFlags, cgroup: compileGroups(request).clone, ...(within ? { within } : {}) };
  const remarks = remarksOn(config.linux.seccomp);
  return { version: protocolVersion, ...clone, ...(users ? { users } : {}), steps, awaitsGroups, ahead, remarks };
}

/** A read-only folder is so from the first: what later steps would create in it belongs to others. */
function compileRoot(rootfs: LaunchRequest['rootfs'], target: string): Step[] {
  if (rootfs.type === 'directory') {
    const bind: Step = { op: 'rootBind', target, source: rootfs.source };
    return rootfs.readonly ? [bind, { op: 'readonlyRoot' }] : [bind];
  }
  const { lower, upper, work, userxattr } = rootfs;
  return [{ op: 'rootOverlay', target, lower, upper, work, userxattr: userxattr ? 1 : 0 }];
}

/** Limits are set by whoever made the groups, so a document with limits and no group would run without them. */
function joinCgroups(request: LaunchRequest, namespaces: CompiledNamespaces): Step[] {
  const { config, cgroups } = request;
  const limited = Object.values(config.linux.resources ?? {}).some((value) => value !== undefined);
  if (limited && cgroups.length === 0) {
    throw unsupported('linux.resources', 'there is no control group that could hold these limits');
  }
  const joins = compileGroups(request).join.map((path): Step => ({ op: 'joinCgroup', path }));
  return namespaces.types.has('cgroup') ? [...joins, { op: 'cgroupNamespace' }] : joins;
}

function compileOomScore(value: number | undefined): Step[] {
  if (value === undefined) return [];
  return [{ op: 'oomScoreAdj', value: integer(value, -1000, 1000, 'process.oomScoreAdj') }];
}

function compileHostname(name: string | undefined, namespaces: CompiledNamespaces): Step[] {
  if (name === undefined || name === '') return [];
  if (!namespaces.types.has('uts')) {
    throw unsupported('hostname', 'it would change the host: the container has no uts namespace of its own');
  }
  if (Buffer.byteLength(name) > 64) throw invalid('hostname', `${name} is longer than 64 bytes`);
  return [{ op: 'hostname', name }];
}
