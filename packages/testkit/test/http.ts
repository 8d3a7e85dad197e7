import { request } from 'node:http';
import { sha256 } from '@gantry/image-spec';
import type { Digest } from '@gantry/interface';
import type { TestRegistry } from '../src/index.js';

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** True if the body ended as its head announced. */
  readonly complete: boolean;
  /** The error code of a connection that broke, if it did. */
  readonly broken?: string;
}

interface Options {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
}

/** One request on a connection of its own; a broken connection is an answer, too. */
export function call(registry: TestRegistry, path: string, options: Options = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, signal } = options;
  return new Promise((resolve, reject) => {
    const sent = request(`http://${registry.address}${path}`, {
      method,
      headers,
      agent: false,
      ...(signal ? { signal } : {}),
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      const settle = (broken?: string) =>
        resolve({
          status: response.statusCode ?? 0,
          headers: new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
          body: Buffer.concat(chunks),
          complete: response.complete,
          ...(broken === undefined ? {} : { broken }),
        });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => settle());
      response.on('error', (error: NodeJS.ErrnoException) => settle(error.code));
    });
    sent.end(body);
  });
}

/** Pushes a blob in the two requests that every client knows. */
export async function pushBlob(registry: TestRegistry, repository: string, bytes: Uint8Array): Promise<Digest> {
  const digest = sha256(bytes);
  const begun = await call(registry, `/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const place = begun.headers.get('location');
  const { status } = await call(registry, `${place}?digest=${digest}`, { method: 'PUT', body: bytes });
  if (status !== 201) throw new Error(`push answered ${status}`);
  return digest;
}

/** The code of the first error in an answer's body. */
export function errorCode({ body }: Answer): unknown {
  return JSON.parse(body.toString()).errors[0].code;
}
