import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';

afterEach(() => void vi.unstubAllEnvs());

describe('createRegistryClient', () => {
  it.each<[string, RegistryClientOptions]>([
    ['retries.attempts', { retries: { attempts: 6 } }],
    ['retries.attempts', { retries: { attempts: 0 } }],
    ['retries.capMs', { retries: { capMs: 60_001 } }],
    ['timeouts.connectMs', { timeouts: { connectMs: 0 } }],
    ['timeouts.progressMs', { timeouts: { progressMs: Number.NaN } }],
    ['timeouts.totalMs', { timeouts: { totalMs: Number.POSITIVE_INFINITY } }],
    ['maxConcurrent', { maxConcurrent: 0 }],
    ['userAgent', { userAgent: 'a\r\nx: y' }],
    ['registry', { insecure: ['http://x'] }],
    ['registry', { credentials: new Map([['https://x/', {}]]) }],
  ])('refuses a wrong %s', (field, options) => {
    expect(() => createRegistryClient(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field } }),
    );
  });

  it('goes through the proxy that the environment names, but never for a loopback registry', async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers['user-agent']}`);
      response.end();
    }).listen(0, '127.0.0.1');
    proxy.on('connect', (request, socket) => {
      asked.push(`CONNECT ${request.url}`);
      // Nothing listens for TLS behind this proxy.
      socket.resume();
      socket.end('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await once(proxy, 'listening');
    const { port } = proxy.address() as { port: number };
    for (const name of ['http_proxy', 'https_proxy']) vi.stubEnv(name, `http://127.0.0.1:${port}`);
    vi.stubEnv('no_proxy', '');
    const client = createRegistryClient({ insecure: ['plain.example'], userAgent: 'host/1', retries: { attempts: 1 } });
    await client.ping('plain.example');
    expect(asked).toEqual(['CONNECT plain.example:443', 'http://plain.example/v2/ host/1']);
    await client.ping(`127.0.0.1:${port}`);
    expect(asked.at(-1)).toBe('/v2/ host/1');
    proxy.closeAllConnections();
    proxy.close();
    await once(proxy, 'close');
  });
});
