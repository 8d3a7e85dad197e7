import type { Isolator } from '@gantry/interface';
import { checkNotShared, isHosts, namespaceFor } from './sharing.js';

/** `namespaces/pid`: process ids of its own, unless the spec asks for the host's, or its parent's are shared. */
export function namespacesPid(): Isolator {
  return {
    name: 'namespaces/pid',
    async edits(context) {
      checkNotShared(context, 'pid', 'pid');
      return isHosts(context, 'pid') ? {} : { namespaces: [namespaceFor(context, 'pid')] };
    },
  };
}
