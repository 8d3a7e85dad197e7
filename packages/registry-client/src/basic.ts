import { GantryError } from '@gantry/interface';
import type { Call } from './call.js';

/** The Basic header (RFC 7617) of the call's login; undefined if it has no user name and password. */
export function basicHeader(call: Call): string | undefined {
  const { username, password } = call.credentials ?? {};
  if (username === undefined || password === undefined) return undefined;
  if (username.includes(':')) {
    throw new GantryError('INVALID_ARGUMENT', `${call.what}: a user name cannot have a colon`, {
      details: { field: 'credentials.username' },
    });
  }
  const encoded = Buffer.from(`${username}:${password}`).toString('base64');
  call.addSecret(encoded);
  return `Basic ${encoded}`;
}
