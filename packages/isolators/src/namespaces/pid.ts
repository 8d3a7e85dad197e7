import type { Isolator } from '@gantry/interface';

/** `namespaces/pid`: process ids of its own, unless the spec asks for the host's. */
export function namespacesPid(): Isolator {
  return {
    name: 'namespaces/pid',
    async edits({ spec }) {
      return spec.pid === 'host' ? {} : { namespaces: [{ type: 'pid' }] };
    },
  };
}
