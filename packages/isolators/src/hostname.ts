import type { PrepareContext } from '@gantry/interface';
import { invalidField } from './errors.js';
import { checkNotShared, ownerOf } from './namespaces/sharing.js';

/** Linux's HOST_NAME_MAX. */
const maxLength = 64;

/**
 * The container's host name: the one asked for, else the first 12 characters of its id, as Docker names them; or that of
 * the parent with which it shares it.
 */
export function hostnameOf(context: PrepareContext): string {
  checkNotShared(context, 'uts', 'hostname');
  const { hostname, id } = ownerOf(context, 'uts');
  if (hostname === undefined) return (id ?? context.id).slice(0, 12);
  if (hostname.length > maxLength || !/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(hostname)) {
    throw invalidField(
      'spec.hostname',
      `must be 1 to ${maxLength} letters, digits, dots, dashes or underscores, with neither a dot nor a dash at its ends`,
    );
  }
  return hostname;
}
