import type { Isolator } from '@gantry/interface';

/** `namespaces/network`: a network with nothing but loopback, unless the spec asks for the host's. */
export function namespacesNetwork(): Isolator {
  return {
    name: 'namespaces/network',
    async edits({ spec }) {
      return spec.network === 'host' ? {} : { namespaces: [{ type: 'network' }] };
    },
  };
}
