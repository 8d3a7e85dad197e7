import { Authorizer } from './authorizer.js';
import type { Call } from './call.js';
import { Endpoints } from './endpoints.js';
import { resolveLocation } from './hops.js';
import { drain, type Reply } from './reply.js';
import { Retries } from './retries.js';
import type { Settings } from './settings.js';
import { statusFault } from './status-fault.js';
import type { TransportRequest } from './transport.js';
import { Wire } from './wire.js';

/** A request to a registry. */
export interface RegistryRequest {
  readonly method: TransportRequest['method'];
  /** Below `/v2/`, or a whole URL that the registry named. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** What a token must allow: `repository:library/redis:pull`; empty for a login alone. */
  readonly scope: string;
  /** As of the transport. */
  readonly lend?: boolean;
}

/** Requests to registries, with their logins and retries. */
export class Requester {
  readonly #settings: Settings;
  readonly #wire: Wire;
  readonly #authorizer: Authorizer;
  readonly #endpoints: Endpoints;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#wire = new Wire(settings);
    this.#authorizer = new Authorizer(this.#wire, settings);
    this.#endpoints = new Endpoints(this.#wire, settings);
  }

  retries(call: Call): Retries {
    return new Retries(call, this.#settings.retries);
  }

  /** Runs attempts until one succeeds, a fault is final or the attempts are used up. */
  async retry<T>(call: Call, attempt: () => Promise<T>): Promise<T> {
    const retries = this.retries(call);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await retries.after(error);
      }
    }
  }

  /** One attempt, with retries of its own for nothing but a login: the response if its status is one of `wanted`, else its fault. */
  async open(call: Call, request: RegistryRequest, wanted: readonly number[]): Promise<Reply> {
    const reply = await this.#openLoggedIn(call, request);
    if (wanted.includes(reply.status)) return reply;
    throw await statusFault(call, reply);
  }

  /** The registry's own address, `https://registry.example/v2/`. */
  baseOf(call: Call): Promise<URL> {
    return this.#endpoints.baseOf(call);
  }

  /** The URL of a Location header that a registry gave for the next request. */
  locate(call: Call, reply: Reply): URL {
    return resolveLocation(call.what, reply.url, reply.headers.get('location'), this.#settings.insecure);
  }

  /** Answers one challenge: a second 401 means that the login just made is not enough. */
  async #openLoggedIn(call: Call, request: RegistryRequest): Promise<Reply> {
    const base = await this.#endpoints.baseOf(call);
    const recalled = this.#authorizer.recall(call, request.scope);
    const first = await this.#send(call, base, request, recalled);
    const isChallenge = first.status === 401 && first.url.origin === base.origin;
    if (!isChallenge) return first;
    await drain(first);
    const authorization = await this.#authorizer.answer(call, {
      base,
      scope: request.scope,
      challenge: first.headers.get('www-authenticate'),
      refused: recalled,
    });
    return this.#send(call, base, request, authorization);
  }

  #send(call: Call, base: URL, request: RegistryRequest, authorization: string | undefined): Promise<Reply> {
    const url = new URL(request.target, base);
    return this.#wire.open(call, {
      method: request.method,
      url,
      headers: request.headers ?? {},
      follow: (from, location) => resolveLocation(call.what, from, location, this.#settings.insecure),
      ...(request.body && { body: request.body }),
      ...(request.lend && { lend: true }),
      ...(authorization !== undefined && url.origin === base.origin && { authorization }),
    });
  }
}
