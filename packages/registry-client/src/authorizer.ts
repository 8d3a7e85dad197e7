import { createHash } from 'node:crypto';
import { type Credentials, GantryError } from '@gantry/interface';
import { basicHeader } from './basic.js';
import { Call } from './call.js';
import { parseChallenges } from './challenge.js';
import { Fault, faultOf, never } from './fault.js';
import { joinScopes } from './scope.js';
import type { Settings } from './settings.js';
import { SharedWork } from './shared-work.js';
import { fetchToken, type Token } from './token-service.js';
import type { Wire } from './wire.js';

interface Grant {
  readonly header: string;
  /** By performance.now(). */
  readonly expiresAt: number;
}

/** A 401 of the registry at `base`. */
export interface Refusal {
  readonly base: URL;
  /** What the request must be allowed to do. */
  readonly scope: string;
  /** Its WWW-Authenticate header. */
  readonly challenge: string | undefined;
  /** The Authorization header that it refused. */
  readonly refused: string | undefined;
}

const mostGrants = 1000;
/** A token is not used in the last part of its life: it must last until the request arrives. */
const usableLife = 0.8;

/** Answers the challenges of registries and remembers what they granted: a header by registry, scope and login. */
export class Authorizer {
  readonly #wire: Wire;
  readonly #settings: Settings;
  readonly #grants = new Map<string, Grant>();
  readonly #tokens = new SharedWork<Token>();

  constructor(wire: Wire, settings: Settings) {
    this.#wire = wire;
    this.#settings = settings;
  }

  /** A header that was granted before and still holds. */
  recall(call: Call, scope: string): string | undefined {
    const grant = this.#grants.get(grantKey(call, scope));
    if (grant === undefined || grant.expiresAt <= performance.now()) return undefined;
    call.addSecret(grant.header.slice(grant.header.indexOf(' ') + 1));
    return grant.header;
  }

  /** A new header that answers the refusal. `UNAUTHORIZED` if there is nothing to answer with. */
  async answer(call: Call, refusal: Refusal): Promise<string> {
    // Another call may have been granted one since this one's request was made.
    const known = this.recall(call, refusal.scope);
    if (known !== undefined && known !== refusal.refused) return known;
    const key = grantKey(call, refusal.scope);
    this.#grants.delete(key);

    const challenges = parseChallenges(refusal.challenge ?? '');
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
    const registryToken = call.credentials?.registryToken;
    if (registryToken !== undefined && challenges.some(({ scheme }) => scheme === 'bearer')) {
      return this.#remember(key, `Bearer ${checkToken(call, registryToken)}`);
    }
    if (bearer) {
      const { value, expiresIn } = await this.#token(call, key, refusal, bearer.parameters);
      call.addSecret(value);
      return this.#remember(key, `Bearer ${value}`, expiresIn);
    }
    const basic = challenges.some(({ scheme }) => scheme === 'basic') ? basicHeader(call) : undefined;
    if (basic === undefined) throw unanswerable(call, refusal.base, challenges.length > 0);
    return this.#remember(key, basic);
  }

  /** One request to the token service, however many calls wait for the token. */
  async #token(
    call: Call,
    key: string,
    { base, scope }: Refusal,
    parameters: ReadonlyMap<string, string>,
  ): Promise<Token> {
    const request = {
      registry: base,
      realm: parameters.get('realm') ?? '',
      service: parameters.get('service'),
      scopes: joinScopes(parameters.get('scope'), scope),
    };
    const { totalMs } = this.#settings.timeouts;
    const start = async (signal: AbortSignal) => {
      const login = new Call(`login to ${call.registry}`, call.registry, { signal }, call.credentials, totalMs);
      try {
        return await fetchToken(this.#wire, this.#settings, login, request);
      } finally {
        login.end();
      }
    };
    try {
      return await this.#tokens.join(JSON.stringify([key, request]), call.signal, start);
    } catch (error) {
      throw faultOf(call.what, error);
    }
  }

  #remember(key: string, header: string, seconds = Number.POSITIVE_INFINITY): string {
    const [oldest] = this.#grants.keys();
    if (this.#grants.size >= mostGrants && oldest !== undefined) this.#grants.delete(oldest);
    this.#grants.set(key, { header, expiresAt: performance.now() + seconds * 1000 * usableLife });
    return header;
  }
}

/** The login goes in as a hash, so that no password lives on in a key. */
function grantKey(call: Call, scope: string): string {
  return JSON.stringify([call.registry, scope, loginKey(call.credentials)]);
}

/** Stands for a login where two are to be told apart, and tells nothing of it. */
export function loginKey({ username, password, identityToken, registryToken }: Credentials = {}): string {
  const login = JSON.stringify([username, password, identityToken, registryToken]);
  return createHash('sha256').update(login).digest('hex');
}

function checkToken(call: Call, token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new GantryError('INVALID_ARGUMENT', `${call.what}: a registry token is visible ASCII characters`, {
    details: { field: 'credentials.registryToken' },
  });
}

function unanswerable(call: Call, base: URL, challenged: boolean): Fault {
  const reason = challenged
    ? 'wants a login; give a user name and password for it in `credentials`'
    : 'answered 401 without saying how to log in';
  const details = { registry: call.registry, host: base.host, status: 401 };
  return new Fault(new GantryError('UNAUTHORIZED', `${call.what}: ${base.host} ${reason}`, { details }), never);
}
