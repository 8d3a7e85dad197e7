import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient } from '../src/index.js';
import { describeBlob, digestOf, noise, ScriptedServer, type SeenRequest } from './scripted-server.js';

/** Two whole chunks of 8 MiB and a part. */
const chunkBytes = 8 * 1024 * 1024;
const content = noise(20_000_000);
const blob = describeBlob(content);

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

type Fault = (request: SeenRequest, response: ServerResponse, raw: IncomingMessage) => boolean | Promise<boolean>;

/** A registry that takes chunks, unless the fault deals with a request. Every answer names a new place. */
async function chunkedRegistry(fault: Fault = () => false) {
  const state = { received: Buffer.alloc(0), kept: [] as string[], cancelled: 0, places: 0, ranges: [] as string[] };
  const place = () => `/v2/team/app/blobs/uploads/1?_state=${++state.places}`;
  const range = () => `0-${Math.max(0, state.received.length - 1)}`;
  const server = await ScriptedServer.start(async (request, response, raw) => {
    if (await fault(request, response, raw)) return;
    const { method, url, headers } = request;
    if (method === 'HEAD') return void response.writeHead(state.kept.length > 0 ? 200 : 404).end();
    if (method === 'POST') return void response.writeHead(202, { location: place() }).end();
    if (!url.includes(`_state=${state.places}`)) return void response.writeHead(416).end();
    if (method === 'GET') return void response.writeHead(204, { location: place(), range: range() }).end();
    if (method === 'DELETE') {
      state.cancelled++;
      return void response.writeHead(204).end();
    }
    if (method === 'PATCH') {
      const sent = headers['content-range'] ?? '';
      state.ranges.push(sent);
      if (!sent.startsWith(`${state.received.length}-`)) return void response.writeHead(416).end();
      state.received = Buffer.concat([state.received, await bodyOf(raw)]);
      return void response.writeHead(202, { location: place(), range: range() }).end();
    }
    const digest = new URL(url, 'http://x').searchParams.get('digest');
    if (digest !== digestOf(state.received)) return void response.writeHead(400).end();
    state.kept.push(digest);
    response.writeHead(201).end();
  });
  servers.push(server);
  return { server, state };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const client = () => createRegistryClient({ retries: { baseMs: 1 }, timeouts: { progressMs: 400 } });

async function* pieces(bytes: Buffer, size = 100_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('putBlob of a large blob', () => {
  it.each([
    ['bytes', () => content],
    ['a stream', () => pieces(content)],
    ['a stream of large pieces', () => pieces(content, 19_000_000)],
  ])('sends %s in chunks', async (_, source) => {
    const { server, state } = await chunkedRegistry();
    await client().putBlob(server.repository(), blob, source());
    expect(state.kept).toEqual([blob.digest]);
    expect(state.ranges).toEqual([
      `0-${chunkBytes - 1}`,
      `${chunkBytes}-${2 * chunkBytes - 1}`,
      `${2 * chunkBytes}-${content.length - 1}`,
    ]);
  });

  it('sends larger chunks where the registry wants them', async () => {
    const { server, state } = await chunkedRegistry(({ method }, response) => {
      if (method === 'POST') response.setHeader('oci-chunk-min-length', 15_000_000);
      return false;
    });
    await client().putBlob(server.repository(), blob, pieces(content));
    expect(state.ranges).toEqual(['0-14999999', '15000000-19999999']);
  });

  it.each([0, 1_000_000])('sends what is missing of a chunk whose connection broke after %i bytes', async (bytes) => {
    let broken = false;
    const { server, state } = await chunkedRegistry(async ({ method }, response, raw) => {
      if (method !== 'PATCH' || broken || state.received.length === 0) return false;
      broken = true;
      state.received = Buffer.concat([state.received, (await bodyOf(raw)).subarray(0, bytes)]);
      response.destroy();
      return true;
    });
    await client().putBlob(server.repository(), blob, pieces(content));
    expect(state.kept).toEqual([blob.digest]);
    expect(state.ranges[1]).toBe(`${chunkBytes + bytes}-${2 * chunkBytes - 1}`);
  });

  it('does not send again what arrived although its answer was lost', async () => {
    let lost = false;
    const { server, state } = await chunkedRegistry(async ({ method }, response, raw) => {
      if (method !== 'PATCH' || lost) return false;
      lost = true;
      state.received = Buffer.concat([state.received, await bodyOf(raw)]);
      response.destroy();
      return true;
    });
    await client().putBlob(server.repository(), blob, pieces(content));
    expect(state.kept).toEqual([blob.digest]);
    expect(state.ranges[0]).toBe(`${chunkBytes}-${2 * chunkBytes - 1}`);
  });

  it('is content if the registry kept the blob although its answer was lost', async () => {
    const { server, state } = await chunkedRegistry(({ method }, response) => {
      if (method !== 'PUT') return false;
      state.kept.push(digestOf(state.received));
      response.destroy();
      return true;
    });
    await client().putBlob(server.repository(), blob, content);
    expect(state.kept).toEqual([blob.digest]);
  });

  it('tries a chunk five times', async () => {
    const { server } = await chunkedRegistry(({ method }, response) => {
      if (method === 'PATCH') response.writeHead(503, { connection: 'close' }).end();
      return method === 'PATCH';
    });
    await expect(client().putBlob(server.repository(), blob, pieces(content))).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      details: { status: 503 },
    });
    expect(server.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(5);
  });

  it('does not go on with a registry that has lost what it had', async () => {
    const { server, state } = await chunkedRegistry(({ method }, response) => {
      if (method !== 'PATCH' || state.received.length === 0) return false;
      state.received = Buffer.alloc(0);
      response.destroy();
      return true;
    });
    await expect(client().putBlob(server.repository(), blob, pieces(content))).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      message: expect.stringContaining('0 bytes of the upload'),
    });
  });

  it.each([
    ['too long', Buffer.concat([content, Buffer.of(1)]), 'SIZE_MISMATCH'],
    ['too short', content.subarray(1), 'SIZE_MISMATCH'],
    ['wrong', Buffer.from(content).reverse(), 'DIGEST_MISMATCH'],
  ])('cancels the upload of a stream that is %s', async (_, bytes, code) => {
    const { server, state } = await chunkedRegistry();
    await expect(client().putBlob(server.repository(), blob, pieces(bytes))).rejects.toMatchObject({ code });
    expect(state).toMatchObject({ kept: [], cancelled: 1 });
  });

  it('cancels the upload when the stream fails, and passes its error on', async () => {
    const { server, state } = await chunkedRegistry();
    const cause = new Error('disk on fire');
    const broken = async function* () {
      yield content.subarray(0, 9_000_000);
      throw cause;
    };
    await expect(client().putBlob(server.repository(), blob, broken())).rejects.toMatchObject({
      code: 'SYSTEM',
      cause,
    });
    expect(state).toMatchObject({ kept: [], cancelled: 1 });
  });

  it('ends the stream when it gives up', async () => {
    let ended = false;
    const endless = async function* () {
      try {
        for (;;) yield Buffer.alloc(1_000_000);
      } finally {
        ended = true;
      }
    };
    const { server } = await chunkedRegistry(({ method }, response) => {
      if (method === 'PATCH') response.writeHead(413, { connection: 'close' }).end();
      return method === 'PATCH';
    });
    const huge = { ...blob, size: 2 ** 40 };
    await expect(client().putBlob(server.repository(), huge, endless())).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
    expect(ended).toBe(true);
  });

  it('times out when the registry takes no more', async () => {
    const { server } = await chunkedRegistry(({ method }) => method === 'PATCH');
    const impatient = createRegistryClient({ retries: { attempts: 1 }, timeouts: { progressMs: 200 } });
    await expect(impatient.putBlob(server.repository(), blob, pieces(content))).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });
});

describe('mountBlob', () => {
  const digest = digestOf(Buffer.of(1));

  it('tells whether the registry has taken the blob over, and cancels what it began instead', async () => {
    let status = 201;
    const server = await ScriptedServer.start(({ method }, response) => {
      response.writeHead(method === 'DELETE' ? 204 : status, { location: '/v2/team/app/blobs/uploads/1' }).end();
    });
    servers.push(server);
    const from = { ...server.repository(), repository: 'other/app' };
    expect(await client().mountBlob(server.repository(), digest, from)).toBe(true);
    status = 202;
    expect(await client().mountBlob(server.repository(), digest, from)).toBe(false);
    expect(server.seen).toEqual([
      `POST /v2/team/app/blobs/uploads/?mount=sha256%3A${digest.slice(7)}&from=other%2Fapp`,
      `POST /v2/team/app/blobs/uploads/?mount=sha256%3A${digest.slice(7)}&from=other%2Fapp`,
      'DELETE /v2/team/app/blobs/uploads/1',
    ]);
  });

  it('wants both repositories in one registry', async () => {
    const one = { registry: 'a.example', repository: 'x', tag: 'y' };
    await expect(client().mountBlob(one, digest, { ...one, registry: 'b.example' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});
