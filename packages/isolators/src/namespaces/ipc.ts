import type { Isolator } from '@gantry/interface';
import { namespaceFor } from './sharing.js';

/** `namespaces/ipc`: System V and POSIX message queues, semaphores and shared memory of its own, or its parent's. */
export function namespacesIpc(): Isolator {
  return {
    name: 'namespaces/ipc',
    async edits(context) {
      return { namespaces: [namespaceFor(context, 'ipc')] };
    },
  };
}
