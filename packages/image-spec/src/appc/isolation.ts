import type { CapabilityChange, ResourceLimits, Resources } from '@gantry/interface';
import type { AppcIsolator, AppcSeccompSet } from './isolators.js';

/** What isolators ask for, in the terms of a container. */
export interface AppcIsolation {
  readonly resources?: Resources;
  readonly capabilities?: CapabilityChange;
  readonly noNewPrivileges?: boolean;
  readonly seccomp?: AppcSeccompSet & {
    /** Whether the calls of the set are the only ones allowed, or the ones blocked. */
    readonly mode: 'retain' | 'remove';
  };
  readonly sysctls?: ReadonlyMap<string, string>;
  /** Names of the isolators that have no meaning here. */
  readonly ignored: readonly string[];
}

type Find = <Name extends AppcIsolator['name']>(name: Name) => Extract<AppcIsolator, { name: Name }> | undefined;

/** Says in the terms of a container what the isolators of an app or pod ask for. */
export function isolationOf(isolators: readonly AppcIsolator[]): AppcIsolation {
  const find: Find = (name) => isolators.find((isolator) => isolator.name === name) as ReturnType<Find> as never;
  const resources = resourcesOf(find);
  const capabilities = capabilitiesOf(find);
  const noNewPrivileges = find('os/linux/no-new-privileges')?.value;
  const seccomp = seccompOf(find);
  const sysctls = find('os/unix/sysctl')?.sysctls;
  return {
    ...(resources && { resources }),
    ...(capabilities && { capabilities }),
    ...(noNewPrivileges !== undefined && { noNewPrivileges }),
    ...(seccomp && { seccomp }),
    ...(sysctls && { sysctls }),
    ignored: isolators.flatMap((isolator) => (isolator.name === 'other' ? [isolator.identifier] : [])),
  };
}

/** A request that is not told is as much as the limit. appc 0.8, ace.md#resource-isolators. */
function resourcesOf(find: Find): Resources | undefined {
  const [cpu, memory] = [find('resource/cpu'), find('resource/memory')];
  if (!cpu && !memory) return undefined;
  const requests = amounts(cpu?.request ?? cpu?.limit, memory?.request ?? memory?.limit);
  return { requests, limits: amounts(cpu?.limit, memory?.limit) };
}

function amounts(cpus: number | undefined, memory: number | undefined): Pick<ResourceLimits, 'cpus' | 'memory'> {
  return { ...(cpus !== undefined && { cpus }), ...(memory !== undefined && { memory }) };
}

function capabilitiesOf(find: Find): CapabilityChange | undefined {
  const [retain, remove] = [find('os/linux/capabilities-retain-set'), find('os/linux/capabilities-remove-set')];
  if (retain) return { drop: ['ALL'], add: retain.set };
  return remove && { drop: remove.set };
}

function seccompOf(find: Find): AppcIsolation['seccomp'] {
  const [retain, remove] = [find('os/linux/seccomp-retain-set'), find('os/linux/seccomp-remove-set')];
  const found = retain ?? remove;
  if (!found) return undefined;
  const { set, errno } = found;
  return { mode: retain ? 'retain' : 'remove', set, ...(errno !== undefined && { errno }) };
}
