import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { idleMs } from './agents.js';
import { proxyAuthorization } from './proxies.js';

/** A proxy that cannot be reached or gives no tunnel. `code` is that of Node.js's error, if there was one. */
export class ProxyFailure extends Error {
  readonly code: string;
  /** `host:port`, without its login. */
  readonly proxy: string;

  constructor(proxy: URL, reason: string, code = 'EPROXY') {
    super(`proxy ${proxy.host}: ${reason}`);
    this.name = 'ProxyFailure';
    this.code = code;
    this.proxy = proxy.host;
  }
}

export interface TunnelOptions extends https.AgentOptions {
  readonly proxy: URL;
  readonly connectMs: number;
}

/**
 * Keeps TLS connections through tunnels of an HTTP proxy (RFC 9110, 9.3.6). Whatever the proxy itself says is a failure of
 * the proxy: nothing of it is taken for an answer of the registry, which could ask for a login.
 */
export class TunnelAgent extends https.Agent {
  readonly #proxy: URL;
  readonly #connectMs: number;

  constructor({ proxy, connectMs, ...tls }: TunnelOptions) {
    super({ ...tls, keepAlive: true, timeout: idleMs });
    this.#proxy = proxy;
    this.#connectMs = connectMs;
  }

  override createConnection(
    options: http.ClientRequestArgs,
    created: (error: Error | null, stream: Duplex) => void = () => undefined,
  ): undefined {
    const fail = (reason: string, code?: string) => {
      (created as (error: Error) => void)(new ProxyFailure(this.#proxy, reason, code));
    };
    const request = this.#connect(`${bracketed(options.host ?? '')}:${options.port ?? 443}`);
    request.once('timeout', () => request.destroy(timedOut(this.#connectMs)));
    request.once('error', (error: NodeJS.ErrnoException) => fail(error.message, error.code));
    request.once('connect', ({ statusCode = 0 }: http.IncomingMessage, socket: Socket, early: Buffer) => {
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        fail(refusal(statusCode));
        return;
      }
      socket.setTimeout(0);
      socket.unshift(early);
      created(null, super.createConnection({ ...options, socket } as http.ClientRequestArgs) as Duplex);
    });
    request.end();
  }

  #connect(target: string): http.ClientRequest {
    const authorization = proxyAuthorization(this.#proxy);
    return (this.#proxy.protocol === 'https:' ? https : http).request({
      method: 'CONNECT',
      host: this.#proxy.hostname.replace(/^\[|\]$/g, ''),
      port: this.#proxy.port || undefined,
      path: target,
      headers: { host: target, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
      timeout: this.#connectMs,
      agent: false,
    });
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function refusal(status: number): string {
  const remedy = status === 407 ? '; give its user name and password in its URL' : '';
  return `it answered ${status} ${http.STATUS_CODES[status] ?? ''}`.trimEnd() + remedy;
}

function timedOut(limitMs: number): Error {
  return Object.assign(new Error(`no tunnel within ${limitMs} ms`), { code: 'ETIMEDOUT' });
}
