import type { ContainerSpec, PrepareContext, SharedNamespace } from '@gantry/interface';
import { invalid } from '../errors.js';

/**
 * The container whose namespace of a type a container is in: itself, or the nearest above it that does not share its parent's.
 */
export function ownerOf(
  context: PrepareContext,
  type: SharedNamespace,
): { readonly id: string; readonly spec: ContainerSpec } {
  let level: Pick<PrepareContext, 'spec' | 'parent'> = context;
  while (level.parent?.share.has(type)) level = level.parent;
  return { id: level.spec.id ?? context.id, spec: level.spec };
}

/** The host name that a container sees: the one asked for, else the beginning of the id, as `namespaces/uts` has it. */
export function hostnameOf(context: PrepareContext): string {
  const { id, spec } = ownerOf(context, 'uts');
  return spec.hostname ?? id.slice(0, 12);
}

/** Whether a container has name service files of its own. */
export function hasFiles(spec: ContainerSpec): boolean {
  return isAttached(spec) || spec.dns !== undefined || spec.extraHosts !== undefined;
}

/** Whether a container is attached to networks, by CNI or as the user. */
export function isAttached({ network, networks = [] }: ContainerSpec): boolean {
  return networks.length > 0 || network === 'user';
}

/** Whether a container has a network without the host's and without files of its own, where localhost is all there is to know. */
export function usesLocalHosts(context: PrepareContext): boolean {
  const { spec } = ownerOf(context, 'network');
  return spec.network !== 'host' && !hasFiles(spec) && !context.spec.sandbox;
}

/** `INVALID_ARGUMENT` for what only the container can have whose network this one is in. */
export function checkOwn({ spec }: PrepareContext): void {
  for (const field of ['networks', 'ports', 'dns', 'extraHosts'] as const) {
    if (spec[field] === undefined) continue;
    throw invalid(
      `spec.${field}`,
      "is the parent's to say, whose network namespace the container shares: leave it out, or leave network out of spec.share",
    );
  }
}
