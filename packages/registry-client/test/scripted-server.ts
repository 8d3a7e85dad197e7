import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Descriptor, Digest, ImageReference } from '@gantry/interface';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export type Script = (request: SeenRequest, response: ServerResponse, raw: IncomingMessage) => void | Promise<void>;

export interface ServerOptions {
  readonly tls?: boolean;
  /** Lets in only who has {@link certificate}. */
  readonly clients?: boolean;
  /** Asks for a certificate, but lets in who has none. */
  readonly strangers?: boolean;
}

/** A real HTTP server on loopback that does what a test says and remembers what it was asked, the TLS probe left out. */
export class ScriptedServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly #server: http.Server | https.Server;

  private constructor(server: http.Server | https.Server) {
    this.#server = server;
  }

  static async start(script: Script, options: ServerOptions = {}): Promise<ScriptedServer> {
    const server = options.tls
      ? https.createServer({
          key: certificateKey,
          cert: certificate,
          ...(options.clients && { requestCert: true, ca: certificate, rejectUnauthorized: !options.strangers }),
        })
      : http.createServer();
    const scripted = new ScriptedServer(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      scripted.#answer(script, request, response).catch(() => response.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return scripted;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  repository(tag = 'latest'): ImageReference {
    return { registry: this.host, repository: 'team/app', tag };
  }

  /** The requests but for the question whether the server speaks TLS. */
  get seen(): string[] {
    return this.requests.map((request) => `${request.method} ${request.url}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(script: Script, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    if (request.method !== 'PUT' && request.method !== 'PATCH')
      for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    const seen = { method, url, headers, body: Buffer.concat(chunks) };
    this.requests.push(seen);
    await script(seen, response, request);
  }
}

export const certificate = fixture('certificate.pem');
export const certificateKey = fixture('key.pem');

export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

export function describeBlob(bytes: Uint8Array): Descriptor {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.byteLength };
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** Bytes without a pattern that a wrong offset could hide in. */
export function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 0x9e3779b9;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
}
