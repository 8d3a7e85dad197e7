import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ProgressEvent } from '@gantry/interface';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createRegistryClient, type RegistryClientOptions, type Transport } from '../src/index.js';
import { backoffMs, retryAfterMs } from '../src/retries.js';
import { certificate, ScriptedServer } from './scripted-server.js';

const bytes = Buffer.from('{"schemaVersion":2}');
const type = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(...args: Parameters<typeof ScriptedServer.start>): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(...args);
  servers.push(server);
  return server;
}

/** Answers with the statuses in turn, the last one for ever; 200 with a manifest. */
function answering(
  statuses: readonly number[],
  headers: Readonly<Record<string, string>> = {},
): Promise<ScriptedServer> {
  const left = [...statuses];
  return start((_, response) => {
    const status = (left.length > 1 ? left.shift() : left[0]) ?? 200;
    response.writeHead(status, status === 200 ? type : headers).end(status === 200 ? bytes : undefined);
  });
}

function watch(options: RegistryClientOptions = {}) {
  const delays: number[] = [];
  const onProgress = (event: ProgressEvent) => void (event.type === 'retrying' && delays.push(event.delayMs));
  return { delays, onProgress, client: createRegistryClient({ retries: { baseMs: 2 }, ...options }) };
}

describe('retries', () => {
  it.each([500, 502, 503, 504, 429, 408])('tries again after %i', async (status) => {
    const server = await answering([status, status, 200]);
    const { client, delays, onProgress } = watch();
    await client.getManifest(server.repository(), { onProgress });
    expect(server.requests).toHaveLength(3);
    expect(delays).toHaveLength(2);
  });

  it.each([500, 503, 429])('gives up after five times %i', async (status) => {
    const server = await answering([status]);
    const { client, delays, onProgress } = watch();
    await expect(client.getManifest(server.repository(), { onProgress })).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      details: { status, registry: server.host },
    });
    expect(server.requests).toHaveLength(5);
    expect(delays).toHaveLength(4);
  });

  it.each([400, 403, 404, 405, 501])('does not try again after %i', async (status) => {
    const server = await answering([status]);
    await expect(watch().client.getManifest(server.repository())).rejects.toMatchObject({ details: { status } });
    expect(server.requests).toHaveLength(1);
  });

  it.each([429, 503])('waits as long as a %i asks to', async (status) => {
    const server = await answering([status, 200], { 'retry-after': '1' });
    const { client, delays, onProgress } = watch();
    const before = performance.now();
    await client.getManifest(server.repository(), { onProgress });
    expect(delays).toEqual([1000]);
    expect(performance.now() - before).toBeGreaterThan(990);
  });

  it('does not wait for a registry that asks for more than the cap', async () => {
    const server = await answering([429], { 'retry-after': '3600' });
    await expect(watch().client.getManifest(server.repository())).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    expect(server.requests).toHaveLength(1);
  });

  it('is cut short by the signal', async () => {
    const server = await answering([503], { 'retry-after': '50' });
    const controller = new AbortController();
    const onProgress = () => setImmediate(() => controller.abort());
    const before = performance.now();
    await expect(
      watch().client.getManifest(server.repository(), { onProgress, signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it('hands what a listener throws to the host program and goes on', async () => {
    const server = await answering([500, 200]);
    const later: (() => void)[] = [];
    const spy = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => void later.push(task));
    const onProgress = () => {
      throw new Error('of the listener');
    };
    await watch().client.getManifest(server.repository(), { onProgress });
    spy.mockRestore();
    expect(later).toHaveLength(1);
    expect(later[0]).toThrow('of the listener');
  });
});

describe('a registry that cannot be reached', () => {
  async function unusedPort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    return typeof address === 'object' && address ? address.port : 0;
  }

  it('is tried twice when nothing listens', async () => {
    const registry = `127.0.0.1:${await unusedPort()}`;
    const { client, delays, onProgress } = watch();
    await expect(client.getManifest({ registry, repository: 'a', tag: 'b' }, { onProgress })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining(registry),
      details: { errno: 'ECONNREFUSED' },
    });
    expect(delays).toHaveLength(1);
  });

  it('is tried twice when its name is unknown', async () => {
    const { client, delays, onProgress } = watch();
    await expect(
      client.getManifest({ registry: 'registry.invalid', repository: 'a', tag: 'b' }, { onProgress }),
    ).rejects.toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('registry.invalid') });
    expect(delays).toHaveLength(1);
  });

  it('fails in time when the handshake hangs', async () => {
    const sockets: { destroy(): void }[] = [];
    const server = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { client } = watch({ timeouts: { connectMs: 50 } });
    await expect(client.ping(`127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      details: { errno: 'ETIMEDOUT' },
    });
    expect(sockets).toHaveLength(2);
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  it('is not tried again when its certificate is not trusted', async () => {
    const server = await start((_, response) => void response.end(), { tls: true });
    const { client, delays, onProgress } = watch();
    await expect(client.ping(server.host, { onProgress })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('`ca`'),
    });
    expect(delays).toHaveLength(0);
    await watch({ ca: certificate }).client.ping(server.host);
  });

  it('is not spoken to over http unless it may be', async () => {
    const asked: string[] = [];
    const transport: Transport = {
      async send({ url }) {
        asked.push(url.href);
        if (url.protocol === 'https:') throw Object.assign(new Error('wrong version number'), { code: 'EPROTO' });
        return { status: 200, headers: new Map(), body: (async function* () {})() };
      },
    };
    await expect(watch({ transport }).client.ping('plain.example')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('`insecure`'),
    });
    expect(asked).toEqual(['https://plain.example/v2/']);
    await watch({ transport, insecure: ['plain.example'] }).client.ping('plain.example');
    expect(asked.at(-1)).toBe('http://plain.example/v2/');
  });

  it.each(['EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'])('is UNREACHABLE on %s', async (code) => {
    let sent = 0;
    const transport: Transport = {
      send() {
        sent++;
        return Promise.reject(Object.assign(new Error(code), { code }));
      },
    };
    await expect(watch({ transport }).client.ping('docker.io')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('registry-1.docker.io'),
    });
    expect(sent).toBe(2);
  });

  it('is a registry error when its answer is not HTTP', async () => {
    const server = createServer((socket) => void socket.resume().end('SSH-2.0-OpenSSH_9.2\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await expect(watch().client.ping(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    server.close();
    await once(server, 'close');
  });
});

describe('backoffMs', () => {
  it('doubles, is spread over its upper half, and never passes the cap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0, max: 1, noNaN: true }), (failed, random) => {
        const delay = backoffMs(failed, { baseMs: 500, capMs: 60_000 }, random);
        const full = Math.min(60_000, 500 * 2 ** (failed - 1));
        expect(delay).toBeGreaterThanOrEqual(Math.floor(full / 2));
        expect(delay).toBeLessThanOrEqual(full);
      }),
    );
  });
});

describe('retryAfterMs', () => {
  const now = Date.UTC(2026, 0, 1);
  it.each([
    ['120', 120_000],
    ['0', 0],
    [new Date(now + 5000).toUTCString(), 5000],
    [new Date(now - 5000).toUTCString(), 0],
    ['soon', undefined],
    [undefined, undefined],
  ])('reads %s', (header, expected) => {
    expect(retryAfterMs(header, now)).toEqual(expected);
  });
});
