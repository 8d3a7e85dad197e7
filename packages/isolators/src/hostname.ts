import type { PrepareContext } from '@gantry/interface';
import { invalidField } from './errors.js';

/** Linux's HOST_NAME_MAX. */
const maxLength = 64;

/** The container's host name: the one asked for, else the first 12 characters of its id, as Docker names them. */
export function hostnameOf(context: PrepareContext): string {
  const { hostname } = context.spec;
  if (hostname === undefined) return context.id.slice(0, 12);
  if (hostname.length > maxLength || !/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(hostname)) {
    throw invalidField(
      'spec.hostname',
      `must be 1 to ${maxLength} letters, digits, dots, dashes or underscores, with neither a dot nor a dash at its ends`,
    );
  }
  return hostname;
}
