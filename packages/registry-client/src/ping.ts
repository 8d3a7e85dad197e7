import type { Call } from './call.js';
import { Fault } from './fault.js';
import { drain } from './reply.js';
import type { Requester } from './requester.js';

/** Asks for `/v2/`. A registry that wants a login has answered too, unless there is one to try. */
export function ping(requester: Requester, call: Call): Promise<void> {
  return requester.retry(call, async () => {
    const request = { method: 'GET', target: '', scope: '' } as const;
    try {
      await drain(await requester.open(call, request, [200]));
    } catch (error) {
      const wantsLogin = error instanceof Fault && error.error.code === 'UNAUTHORIZED';
      if (!wantsLogin || call.credentials) throw error;
    }
  });
}
