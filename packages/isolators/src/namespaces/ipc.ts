import type { Isolator } from '@gantry/interface';

/** `namespaces/ipc`: System V and POSIX message queues, semaphores and shared memory of its own. */
export function namespacesIpc(): Isolator {
  return {
    name: 'namespaces/ipc',
    async edits() {
      return { namespaces: [{ type: 'ipc' }] };
    },
  };
}
