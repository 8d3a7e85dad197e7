import { createHash } from 'node:crypto';
import { GantryError } from '@gantry/interface';
import { basicHeader } from './basic.js';
import type { Call } from './call.js';
import { parseChallenges } from './challenge.js';
import { Fault, never } from './fault.js';
import type { Settings } from './options.js';
import { fetchToken } from './token-service.js';
import type { Wire } from './wire.js';

interface Grant {
  readonly header: string;
  /** By performance.now(). */
  readonly expiresAt: number;
}

const mostGrants = 1000;
/** A token is not used in the last part of its life: it must last until the request arrives. */
const usableLife = 0.8;

/** Answers the challenges of registries and remembers what they granted: a header by registry, scope and login. */
export class Authorizer {
  readonly #wire: Wire;
  readonly #settings: Settings;
  readonly #grants = new Map<string, Grant>();

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

  /** A new header that answers a 401 of the registry at `base`. `UNAUTHORIZED` if there is nothing to answer with. */
  async answer(call: Call, base: URL, scope: string, header: string | undefined): Promise<string> {
    const key = grantKey(call, scope);
    this.#grants.delete(key);
    const challenges = parseChallenges(header ?? '');
    const bearer = challenges.find((challenge) => challenge.scheme === 'bearer')?.parameters;
    if (bearer?.has('realm')) {
      const token = await fetchToken(this.#wire, this.#settings, call, {
        registry: base,
        realm: bearer.get('realm') ?? '',
        service: bearer.get('service'),
        scope: bearer.get('scope') ?? (scope || undefined),
      });
      const grant = `Bearer ${token.value}`;
      this.#remember(key, { header: grant, expiresAt: performance.now() + token.expiresIn * 1000 * usableLife });
      return grant;
    }
    const basic = challenges.some((challenge) => challenge.scheme === 'basic') ? basicHeader(call) : undefined;
    if (basic === undefined) throw unanswerable(call, base, challenges.length > 0);
    this.#remember(key, { header: basic, expiresAt: Number.POSITIVE_INFINITY });
    return basic;
  }

  #remember(key: string, grant: Grant): void {
    const [oldest] = this.#grants.keys();
    if (this.#grants.size >= mostGrants && oldest !== undefined) this.#grants.delete(oldest);
    this.#grants.set(key, grant);
  }
}

/** The login goes in as a hash, so that no password lives on in a key. */
function grantKey(call: Call, scope: string): string {
  const { username, password, identityToken } = call.credentials ?? {};
  const login = JSON.stringify([username, password, identityToken]);
  return JSON.stringify([call.registry, scope, createHash('sha256').update(login).digest('hex')]);
}

function unanswerable(call: Call, base: URL, challenged: boolean): Fault {
  const reason = challenged
    ? 'wants a login; give a user name and password for it in `credentials`'
    : 'answered 401 without saying how to log in';
  const details = { registry: call.registry, host: base.host, status: 401 };
  return new Fault(new GantryError('UNAUTHORIZED', `${call.what}: ${base.host} ${reason}`, { details }), never);
}
