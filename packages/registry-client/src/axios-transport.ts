import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import axios, { type AxiosInstance, type AxiosProxyConfig, isAxiosError } from 'axios';
import type { CertificateSource } from './certificates.js';
import { connectWithin } from './connect-timer.js';
import { type DirectBody, directBody } from './direct-body.js';
import { type ProxyOptions, proxiesOf, proxyChoice } from './proxies.js';
import { type Route, Routes } from './routes.js';
import type { Transport, TransportRequest, TransportResponse } from './transport.js';
import { ProxyFailure } from './tunnel-agent.js';
import { ownTurn } from './turns.js';

/** Settings of the default transport. */
export interface AxiosTransportOptions {
  /** PEM certificates of authorities, trusted instead of Node.js's own. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Authorities and client certificates of single hosts. */
  readonly certificates?: CertificateSource;
  /** Default: what the environment says when the transport is made, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. False for none. */
  readonly proxy?: ProxyOptions | false;
  /** Name look-up, connection and TLS handshake together. */
  readonly connectMs: number;
}

/** The default transport: axios over node:http with keep-alive. `INVALID_ARGUMENT` for a malformed proxy. */
export function createAxiosTransport(options: AxiosTransportOptions): Transport {
  const { connectMs, certificates, proxy = proxiesOf(process.env) } = options;
  const proxyFor = proxyChoice(proxy || {});
  const routes = new Routes({ ca: toCertificates(options.ca), certificates, proxyFor, connectMs });
  const client = axios.create({
    adapter: 'http',
    responseType: 'stream',
    maxRedirects: 0,
    decompress: false,
    maxBodyLength: -1,
    maxContentLength: -1,
    validateStatus: () => true,
    transformRequest: [(data: unknown) => data],
  });
  // The first time, each takes milliseconds: to merge a request's settings, and to send it.
  client.interceptors.request.use(async (config) => {
    await setImmediate();
    return config;
  });
  return {
    async send(request) {
      const route = await routes.to(request.url, request.signal);
      await ownTurn();
      return send(client, route, connectMs, request);
    },
  };
}

async function send(
  client: AxiosInstance,
  route: Route,
  connectMs: number,
  request: TransportRequest,
): Promise<TransportResponse> {
  const { httpAgent, httpsAgent, forwardProxy } = route;
  let direct: DirectBody | undefined;
  const upload = request.body && Readable.from(request.body, { objectMode: false });
  try {
    const response = await client.request<Readable>({
      method: request.method,
      url: request.url.href,
      headers: { ...request.headers },
      data: upload,
      signal: request.signal,
      httpAgent,
      httpsAgent,
      proxy: forwardProxy ? proxyConfig(forwardProxy) : false,
      transport: connectWithin(connectMs, (head) => {
        if (request.method === 'GET') direct = directBody(head, request.lend ?? false);
      }),
    });
    return {
      status: response.status,
      headers: toHeaders(response.headers),
      body: direct ?? readBody(response.data, upload),
    };
  } catch (error) {
    upload?.destroy();
    throw withoutRequest(error, forwardProxy);
  }
}

/** Lets go of an upload only with the response: axios takes an upload that closes before its end for an abort. */
async function* readBody(body: Readable, upload: Readable | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) yield chunk as Uint8Array;
  } catch (error) {
    throw withoutRequest(error);
  } finally {
    upload?.destroy();
  }
}

function proxyConfig({ protocol, hostname, port, username, password }: URL): AxiosProxyConfig {
  return {
    protocol,
    host: hostname,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
    ...((username || password) && {
      auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) },
    }),
  };
}

function toCertificates(ca: AxiosTransportOptions['ca']): (string | Buffer)[] | undefined {
  if (ca === undefined) return undefined;
  const all = typeof ca === 'string' || ca instanceof Uint8Array ? [ca] : ca;
  return all.map((certificate) => (typeof certificate === 'string' ? certificate : Buffer.from(certificate)));
}

function toHeaders(headers: object): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(', ') : String(value),
    ]),
  );
}

/** An axios error holds its request, credentials included; what it was made from does not. */
function withoutRequest(error: unknown, proxy?: URL): unknown {
  if (!isAxiosError(error)) return error;
  const { code, message, cause } = error;
  if (proxy && code !== 'ERR_CANCELED') return new ProxyFailure(proxy, message, code);
  return cause instanceof Error ? cause : Object.assign(new Error(message), { code });
}
