import type { Isolator } from '@gantry/interface';
import { checkNotShared, isHosts, namespaceFor } from './sharing.js';

/** `namespaces/network`: a network with nothing but loopback, unless the spec asks for the host's, or its parent's is shared. */
export function namespacesNetwork(): Isolator {
  return {
    name: 'namespaces/network',
    async edits(context) {
      checkNotShared(context, 'network', 'network');
      return isHosts(context, 'network') ? {} : { namespaces: [namespaceFor(context, 'network')] };
    },
  };
}
