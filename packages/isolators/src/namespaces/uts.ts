import type { Isolator } from '@gantry/interface';
import { hostnameOf } from '../hostname.js';
import { isShared, namespaceFor } from './sharing.js';

/** `namespaces/uts`: a host name of its own, or its parent's. */
export function namespacesUts(): Isolator {
  return {
    name: 'namespaces/uts',
    async edits(context) {
      const hostname = hostnameOf(context);
      return { namespaces: [namespaceFor(context, 'uts')], ...(isShared(context, 'uts') ? {} : { hostname }) };
    },
  };
}
