import type { LaunchRequest } from '@gantry/interface';
import type { CapabilitiesStep, Step } from '../protocol.generated.js';
import { compileCapabilities } from './capabilities.js';
import { compileDevices } from './devices.js';
import type { CompileInputs } from './inputs.js';
import { type CompiledMounts, compileMounts } from './mounts.js';
import { type CompiledNamespaces, compileNamespaces } from './namespaces.js';
import { absolutePath } from './refusal.js';
import { compileStage, type Placed, type Stage } from './stage.js';
import { compileSysctls } from './sysctls.js';

/** What most containers of a host program have in common. */
export interface Alike extends Pick<CompiledMounts, 'early' | 'propagation'> {
  readonly namespaces: CompiledNamespaces;
  readonly capabilities: CapabilitiesStep;
  /** What is set in the namespaces. */
  readonly ofNamespaces: readonly Step[];
  /** Whether, and how, it can be done before the container's root is there. */
  readonly stage: Stage | undefined;
  /** All that is done then. */
  readonly ahead: readonly Step[];
  /** What goes into the root itself. */
  readonly later: Placed;
}

/** Steps of the process that are among those ahead if there is a stage: they are about itself alone. */
export const ownSteps: ReadonlySet<Step['op']> = new Set(['sessionKeyring', 'capabilities']);

let last: { readonly key: string; readonly alike: Alike } | undefined;

/** Compiles it, unless it is as it was for the container before. */
export function compileAlike(request: LaunchRequest, inputs: CompileInputs): Alike {
  const stages = inputs.stages ?? false;
  // Secrets are not to be remembered; the other two are of one container alone.
  const isOwn = inputs.pins || request.secretFiles || request.config.mounts.some(({ type }) => type === 'overlay');
  if (isOwn) return compile(request, compileMounts(request, inputs), stages);
  const { config, cgroupVersion, parent } = request;
  const { namespaces, sysctl, devices, maskedPaths, readonlyPaths, rootfsPropagation } = config.linux;
  const { capabilities } = config.process;
  const ofLinux = [namespaces, sysctl, devices, maskedPaths, readonlyPaths, rootfsPropagation];
  const hooked = config.hooks?.createContainer?.length;
  const key = JSON.stringify([stages, cgroupVersion, parent, hooked, config.mounts, ...ofLinux, capabilities]);
  if (last?.key === key) return last.alike;
  const alike = compile(request, compileMounts(request, inputs), stages);
  last = { key, alike };
  return alike;
}

function compile(request: LaunchRequest, mounts: CompiledMounts, stages: boolean): Alike {
  const { config, parent } = request;
  const namespaces = compileNamespaces(config.linux.namespaces, parent);
  const all: Placed = {
    mounts: mounts.steps,
    devices: compileDevices(
      config,
      config.linux.namespaces.some(({ type }) => type === 'user'),
    ),
    protections: [
      ...paths('readonlyPath', config.linux.readonlyPaths, 'linux.readonlyPaths'),
      ...paths('mask', config.linux.maskedPaths, 'linux.maskedPaths'),
    ],
  };
  const ofNamespaces: Step[] = [
    ...(namespaces.types.has('network') ? [{ op: 'loopbackUp' } as const] : []),
    ...compileSysctls(config.linux.sysctl ?? {}, namespaces),
  ];
  const stage = stages ? compileStage(request, namespaces, mounts, all) : undefined;
  const { early, propagation } = mounts;
  const capabilities = compileCapabilities(config.process.capabilities);
  const common = { early, propagation, namespaces, capabilities, ofNamespaces, stage };
  if (!stage) return { ...common, ahead: [], later: all };
  const ahead: readonly Step[] = [
    { op: 'stage' },
    ...ofNamespaces,
    ...stage.ahead.mounts,
    ...stage.ahead.devices,
    ...stage.ahead.protections,
    { op: 'sessionKeyring' },
    capabilities,
  ];
  return { ...common, ahead, later: stage.later };
}

function paths<O extends 'mask' | 'readonlyPath'>(
  op: O,
  list: readonly string[] | undefined,
  field: string,
): { readonly op: O; readonly path: string }[] {
  return (list ?? []).map((path, index) => ({ op, path: absolutePath(path, `${field}[${index}]`) }));
}
