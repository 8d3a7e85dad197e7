import type { ContainerSpec, OciNamespace, PrepareContext, SharedNamespace } from '@gantry/interface';
import { invalidField } from '../errors.js';

/**
 * The spec of the container whose namespace of a type a container is in: its own, or of the nearest above it that does
 * not share its parent's. What that one asked for is what holds.
 */
export function ownerOf(context: Pick<PrepareContext, 'spec' | 'parent'>, type: SharedNamespace): ContainerSpec {
  let level = context;
  while (level.parent?.share.has(type)) level = level.parent;
  return level.spec;
}

/** Whether a container is in a namespace of its parent's. */
export function isShared(context: PrepareContext, type: SharedNamespace): boolean {
  return context.parent?.share.has(type) ?? false;
}

/** Whether a container, or the one with which it shares that, uses the host's network or process ids. */
export function isHosts(context: PrepareContext, type: 'network' | 'pid'): boolean {
  return ownerOf(context, type)[type] === 'host';
}

/** The parent's namespace if it is shared, else a new one. */
export function namespaceFor(context: PrepareContext, type: SharedNamespace): OciNamespace {
  if (!context.parent || !isShared(context, type)) return { type };
  const link = type === 'network' ? 'net' : type;
  return { type, path: `/proc/${context.parent.process.pid}/ns/${link}` };
}

/** `INVALID_ARGUMENT` if the spec has a field that is about a namespace of the parent's. */
export function checkNotShared(
  context: PrepareContext,
  type: SharedNamespace,
  field: 'network' | 'pid' | 'hostname',
): void {
  if (context.spec[field] !== undefined && isShared(context, type)) throw ofParent(`spec.${field}`, type);
}

/** The error for a field that only the container's parent can have. */
export function ofParent(field: string, type: SharedNamespace): Error {
  return invalidField(
    field,
    `is the parent's to say, whose ${type} namespace the container shares: leave it out, or leave ${type} out of spec.share`,
  );
}
