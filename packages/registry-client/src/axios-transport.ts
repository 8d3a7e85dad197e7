import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import axios, { type AxiosInstance, isAxiosError } from 'axios';
import { isLoopbackHost } from './addresses.js';
import { connectWithin } from './connect-timer.js';
import type { Transport, TransportRequest, TransportResponse } from './transport.js';

/** Below the 5 s after which many servers close an idle connection, so that none is reused while it is being closed. */
const idleMs = 4_000;

/** Settings of the default transport. */
export interface AxiosTransportOptions {
  /** PEM certificates of authorities, trusted instead of Node.js's own. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Name look-up, connection and TLS handshake together. */
  readonly connectMs: number;
}

/**
 * The default transport: axios over node:http with keep-alive. Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`),
 * except for loopback hosts.
 */
export function createAxiosTransport(options: AxiosTransportOptions): Transport {
  const client = axios.create({
    adapter: 'http',
    httpAgent: new http.Agent({ keepAlive: true, timeout: idleMs }),
    httpsAgent: new https.Agent({ keepAlive: true, timeout: idleMs, ca: toCertificates(options.ca) }),
    transport: connectWithin(options.connectMs),
    responseType: 'stream',
    maxRedirects: 0,
    decompress: false,
    maxBodyLength: -1,
    maxContentLength: -1,
    validateStatus: () => true,
    transformRequest: [(data: unknown) => data],
  });
  return { send: (request) => send(client, request) };
}

async function send(client: AxiosInstance, request: TransportRequest): Promise<TransportResponse> {
  const upload = request.body && Readable.from(request.body, { objectMode: false });
  try {
    const response = await client.request<Readable>({
      method: request.method,
      url: request.url.href,
      headers: { ...request.headers },
      data: upload,
      signal: request.signal,
      ...(isLoopbackHost(request.url.hostname) && { proxy: false as const }),
    });
    return {
      status: response.status,
      headers: toHeaders(response.headers),
      body: readBody(response.data, upload),
    };
  } catch (error) {
    upload?.destroy();
    throw withoutRequest(error);
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
function withoutRequest(error: unknown): unknown {
  if (!isAxiosError(error)) return error;
  if (error.cause instanceof Error) return error.cause;
  return Object.assign(new Error(error.message), { code: error.code });
}
