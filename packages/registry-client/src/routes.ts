import { createHash } from 'node:crypto';
import type http from 'node:http';
import type https from 'node:https';
import { Worker } from 'node:worker_threads';
import { isLoopbackHost } from './addresses.js';
import { HttpAgent, HttpsAgent } from './agents.js';
import type { CertificateSource, RegistryCertificates } from './certificates.js';
import { greet } from './greeting.js';
import type { ProxyChoice } from './proxies.js';
import { TunnelAgent } from './tunnel-agent.js';
import { ownTurn } from './turns.js';

export interface RouteOptions {
  /** PEM certificates of authorities, trusted instead of Node.js's own. */
  readonly ca?: readonly (string | Buffer)[] | undefined;
  readonly certificates?: CertificateSource | undefined;
  readonly proxyFor: ProxyChoice;
  readonly connectMs: number;
}

/** Over which connections a request goes. */
export interface Route {
  readonly httpAgent: http.Agent;
  /** Undefined if the request meets no TLS on its way. */
  readonly httpsAgent: https.Agent | undefined;
  /** For a plain request, which is given to the proxy whole; an HTTPS one goes through a tunnel of its agent. */
  readonly forwardProxy: URL | undefined;
}

const mostAgents = 100;

let authorities: Promise<void> | undefined;

/**
 * Has Node.js read the authorities that it knows. It does so once for all threads of a process, which takes some 20 ms: a thread of its
 * own has the time for it, the host program's event loop has not.
 */
function readAuthorities(): Promise<void> {
  // Also to start the thread takes milliseconds.
  authorities ??= ownTurn().then(() => threadEnds("require('node:tls').createSecureContext()"));
  return authorities;
}

/** Resolves however it ends: what a thread has not read is read with the first connection. */
function threadEnds(code: string): Promise<void> {
  return new Promise((resolve) => {
    const worker = new Worker(code, { eval: true, execArgv: [] });
    worker.once('error', () => resolve());
    worker.once('exit', () => resolve());
  });
}

/** The agents of a transport: one for plain HTTP, and one for each proxy and set of certificates. */
export class Routes {
  readonly #options: RouteOptions;
  readonly #http = new HttpAgent();
  readonly #https = new Map<string, https.Agent>();

  constructor(options: RouteOptions) {
    this.#options = options;
  }

  /** Fails as the source of certificates does, and may fail as a connection would. */
  async to(url: URL, signal: AbortSignal): Promise<Route> {
    const secure = url.protocol === 'https:';
    const proxy = this.#options.proxyFor(url);
    if (secure) {
      // A registry of this host is often a plain one, for which to start that thread would take the most of finding it out.
      if (!authorities && !proxy && isLoopbackHost(url.hostname)) {
        await ownTurn();
        await greet(url, this.#options.connectMs, signal);
      }
      await readAuthorities();
    }
    const certificates = secure ? await this.#options.certificates?.(url.host) : undefined;
    const meetsTls = secure || proxy?.protocol === 'https:';
    const httpsAgent = meetsTls ? this.#agent(secure ? proxy : undefined, certificates ?? {}) : undefined;
    return { httpAgent: this.#http, httpsAgent, forwardProxy: secure ? undefined : proxy };
  }

  #agent(proxy: URL | undefined, { ca, cert, key }: RegistryCertificates): https.Agent {
    // As a hash: a client's key is not to live on in a name.
    const name = createHash('sha256')
      .update(JSON.stringify([proxy?.href, ca, cert, key]))
      .digest('hex');
    const known = this.#https.get(name);
    if (known) return known;
    const tls = { ca: (ca ?? this.#options.ca) as (string | Buffer)[] | undefined, cert, key };
    const agent = proxy ? new TunnelAgent({ ...tls, proxy, connectMs: this.#options.connectMs }) : new HttpsAgent(tls);
    const [oldest] = this.#https.keys();
    if (this.#https.size >= mostAgents && oldest !== undefined) this.#https.delete(oldest);
    this.#https.set(name, agent);
    return agent;
  }
}
