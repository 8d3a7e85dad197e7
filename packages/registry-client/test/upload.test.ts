import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient } from '../src/index.js';
import { certificate, describeBlob, noise, ScriptedServer, type SeenRequest } from './scripted-server.js';

const content = noise(300_000);
const blob = describeBlob(content);

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(...args: Parameters<typeof ScriptedServer.start>): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(...args);
  servers.push(server);
  return server;
}

const client = () => createRegistryClient({ ca: certificate, retries: { baseMs: 1 }, timeouts: { progressMs: 300 } });

type PutScript = (response: ServerResponse, raw: IncomingMessage, request: SeenRequest) => void | Promise<void>;

/** A registry without the blob; it keeps the digests of the uploads that came through whole. */
async function registry(
  put: PutScript = (response) => void response.writeHead(201).end(),
  location: (server: ScriptedServer) => string = () => '/v2/team/app/blobs/uploads/1?_state=a%2Fb==',
): Promise<{ server: ScriptedServer; taken: string[] }> {
  const taken: string[] = [];
  const server = await start(async (request, response, raw) => {
    if (request.method === 'HEAD') response.writeHead(404).end();
    else if (request.method === 'POST') response.writeHead(202, { location: location(server) }).end();
    else {
      const hash = createHash('sha256');
      for await (const chunk of raw) hash.update(chunk as Buffer);
      taken.push(`sha256:${hash.digest('hex')}`);
      await put(response, raw, request);
    }
  });
  return { server, taken };
}

async function* pieces(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('putBlob', () => {
  it.each([
    ['bytes', () => content],
    ['a view of a larger buffer', () => Uint8Array.from([...noise(7), ...content, ...noise(9)]).subarray(7, -9)],
    ['a stream', () => pieces(content)],
  ])('uploads %s in one request', async (_, source) => {
    const { server, taken } = await registry();
    await client().putBlob(server.repository(), blob, source());
    expect(taken).toEqual([blob.digest]);
    expect(server.seen).toEqual([
      `HEAD /v2/team/app/blobs/${blob.digest}`,
      'POST /v2/team/app/blobs/uploads/',
      `PUT /v2/team/app/blobs/uploads/1?_state=a%2Fb==&digest=sha256%3A${blob.digest.slice(7)}`,
    ]);
    expect(server.requests.at(-1)?.headers).toMatchObject({
      'content-length': String(content.length),
      'content-type': 'application/octet-stream',
    });
  });

  it('does nothing if the blob is there', async () => {
    const server = await start((_, response) => void response.writeHead(200).end());
    expect(await client().hasBlob(server.repository(), blob.digest)).toBe(true);
    await client().putBlob(server.repository(), blob, content);
    expect(server.requests.map((request) => request.method)).toEqual(['HEAD', 'HEAD']);
  });

  it('uploads an empty blob', async () => {
    const { server, taken } = await registry();
    const empty = describeBlob(Buffer.alloc(0));
    await client().putBlob(server.repository(), empty, Buffer.alloc(0));
    expect(taken).toEqual([empty.digest]);
  });

  it('refuses bytes that are not what the descriptor says, before it asks', async () => {
    const { server } = await registry();
    await expect(client().putBlob(server.repository(), blob, noise(300_001))).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
    });
    await expect(client().putBlob(server.repository(), blob, Buffer.from(content).fill(0, 0, 1))).rejects.toMatchObject(
      {
        code: 'DIGEST_MISMATCH',
      },
    );
    expect(server.requests).toHaveLength(0);
  });

  it.each([
    ['too long', Buffer.concat([content, Buffer.of(1)]), 'SIZE_MISMATCH'],
    ['too short', content.subarray(1), 'SIZE_MISMATCH'],
    ['wrong', Buffer.from(content).reverse(), 'DIGEST_MISMATCH'],
  ])('cuts off a stream that is %s before its end', async (_, bytes, code) => {
    const { server, taken } = await registry();
    await expect(client().putBlob(server.repository(), blob, pieces(bytes))).rejects.toMatchObject({ code });
    expect(taken).toEqual([]);
  });

  it('passes on what the stream throws', async () => {
    const { server, taken } = await registry();
    const cause = new Error('disk on fire');
    const broken = async function* () {
      yield content.subarray(0, 100_000);
      throw cause;
    };
    await expect(client().putBlob(server.repository(), blob, broken())).rejects.toMatchObject({
      code: 'SYSTEM',
      cause,
    });
    expect(taken).toEqual([]);
  });

  it('tries bytes again, with a new upload', async () => {
    const { server, taken } = await registry((response) => {
      response.writeHead(taken.length < 3 ? 503 : 201).end();
    });
    await client().putBlob(server.repository(), blob, content);
    expect(taken).toHaveLength(3);
    expect(server.requests.filter((request) => request.method === 'POST')).toHaveLength(3);
  });

  it('tries a small stream again, too', async () => {
    const { server, taken } = await registry((response) => void response.writeHead(taken.length < 2 ? 503 : 201).end());
    await client().putBlob(server.repository(), blob, pieces(content));
    expect(taken).toEqual([blob.digest, blob.digest]);
  });

  it('ends the stream when the registry refuses it early', async () => {
    let ended = false;
    const endless = async function* () {
      try {
        for (;;) yield Buffer.alloc(65_536);
      } finally {
        ended = true;
      }
    };
    const server = await start(({ method }, response) => {
      if (method === 'HEAD') response.writeHead(404).end();
      else if (method === 'POST') response.writeHead(202, { location: '/v2/up' }).end();
      else response.writeHead(413, { connection: 'close' }).end();
    });
    const huge = { ...blob, size: 2 ** 40 };
    await expect(client().putBlob(server.repository(), huge, endless())).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
    expect(ended).toBe(true);
  });

  it('times out when the registry takes no more', async () => {
    const server = await start(({ method }, response) => {
      if (method === 'HEAD') response.writeHead(404).end();
      else if (method === 'POST') response.writeHead(202, { location: '/v2/up' }).end();
    });
    const large = noise(20_000_000);
    await expect(
      client().putBlob(server.repository(), describeBlob(large), pieces(large, 65_536)),
    ).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('stops when the signal fires', async () => {
    const controller = new AbortController();
    const server = await start(({ method }, response) => {
      if (method === 'HEAD') response.writeHead(404).end();
      else if (method === 'POST') response.writeHead(202, { location: '/v2/up' }).end();
      else controller.abort();
    });
    await expect(
      client().putBlob(server.repository(), blob, pieces(content), { signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('sends no login to an upload address of another origin', async () => {
    const { server: storage, taken } = await registry();
    const credentials = { username: 'ann', password: 'hunter2' };
    const server = await start(({ method, headers }, response) => {
      if (!headers.authorization) response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
      else if (method === 'HEAD') response.writeHead(404).end();
      else response.writeHead(202, { location: `http://${storage.host}/up` }).end();
    });
    await client().putBlob(server.repository(), blob, content, { credentials });
    expect(taken).toEqual([blob.digest]);
    expect(storage.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('does not go from https down to http', async () => {
    const { server: storage } = await registry();
    const server = await start(
      ({ method }, response) => {
        if (method === 'HEAD') response.writeHead(404).end();
        else response.writeHead(202, { location: `http://${storage.host}/up` }).end();
      },
      { tls: true },
    );
    await expect(client().putBlob(server.repository(), blob, content)).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
    expect(storage.requests).toHaveLength(0);
  });
});
