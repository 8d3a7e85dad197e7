import type { Isolator } from '@gantry/interface';
import { hostnameOf } from '../hostname.js';

/** `namespaces/uts`: a host name of its own. */
export function namespacesUts(): Isolator {
  return {
    name: 'namespaces/uts',
    async edits(context) {
      return { namespaces: [{ type: 'uts' }], hostname: hostnameOf(context) };
    },
  };
}
