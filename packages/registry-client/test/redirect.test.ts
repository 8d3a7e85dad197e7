import { afterEach, describe, expect, it } from 'vitest';
import { refusalOfHop, refusalOfRealm } from '../src/hops.js';
import { createRegistryClient } from '../src/index.js';
import { certificate, collect, describeBlob, noise, ScriptedServer } from './scripted-server.js';

const content = noise(10_000);
const blob = describeBlob(content);
const credentials = { username: 'ann', password: 'hunter2' };

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(...args: Parameters<typeof ScriptedServer.start>): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(...args);
  servers.push(server);
  return server;
}

const client = () => createRegistryClient({ ca: certificate, retries: { baseMs: 1 } });

/** A registry that wants a login and redirects what is asked for with one. */
function redirecting(location: () => string, options?: { tls: boolean }): Promise<ScriptedServer> {
  return start(({ headers }, response) => {
    if (headers.authorization) response.writeHead(307, { location: location(), 'set-cookie': 'session=1' }).end();
    else response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
  }, options);
}

describe('redirects', () => {
  it('take no login and no cookie to another origin, nor back again', async () => {
    const back = () => `http://${registry.host}/back`;
    const storage = await start(({ url }, response) => {
      if (url === '/there') response.writeHead(302, { location: back() }).end();
      else response.end(content);
    });
    const registry = await start(({ url, headers }, response) => {
      if (url === '/back') response.writeHead(302, { location: `http://${storage.host}/blob?signature=1` }).end();
      else if (headers.authorization) response.writeHead(307, { location: `http://${storage.host}/there` }).end();
      else response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
    });
    expect(await collect(client().getBlob(registry.repository(), blob, { credentials }))).toHaveLength(content.length);
    expect(storage.seen).toEqual(['GET /there', 'GET /blob?signature=1']);
    for (const { headers } of storage.requests) {
      expect(headers.authorization).toBeUndefined();
      expect(headers.cookie).toBeUndefined();
    }
    expect(registry.requests.at(-1)).toMatchObject({ url: '/back' });
    expect(registry.requests.at(-1)?.headers.authorization).toBeUndefined();
  });

  it('keep the login within the origin', async () => {
    const registry = await start(({ url, headers }, response) => {
      if (!headers.authorization) response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
      else if (url === '/moved') response.end(content);
      else response.writeHead(308, { location: '/moved' }).end();
    });
    expect(await collect(client().getBlob(registry.repository(), blob, { credentials }))).toHaveLength(content.length);
  });

  it('do not answer the challenge of another origin', async () => {
    const storage = await start((_, response) => void response.writeHead(401, { 'www-authenticate': 'Basic' }).end());
    const registry = await redirecting(() => `http://${storage.host}/x`);
    await expect(collect(client().getBlob(registry.repository(), blob, { credentials }))).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    });
    expect(storage.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('end after five', async () => {
    const registry = await start(({ url }, response) => void response.writeHead(302, { location: url }).end());
    await expect(collect(client().getBlob(registry.repository(), blob))).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      message: expect.stringContaining('redirects'),
    });
    expect(registry.requests).toHaveLength(6);
  });

  it('work from https to https', async () => {
    const storage = await start((_, response) => void response.end(content), { tls: true });
    const registry = await redirecting(() => `https://${storage.host}/x`, { tls: true });
    expect(await collect(client().getBlob(registry.repository(), blob, { credentials }))).toHaveLength(content.length);
    expect(storage.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('never go from https down to http', async () => {
    const storage = await start((_, response) => void response.end(content));
    const registry = await redirecting(() => `http://${storage.host}/x`, { tls: true });
    await expect(collect(client().getBlob(registry.repository(), blob, { credentials }))).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      message: expect.stringContaining('from https down to http'),
    });
    expect(storage.requests).toHaveLength(0);
  });

  it.each([
    ['http://169.254.169.254/latest', 'plain http'],
    ['https://169.254.169.254/latest', 'link-local'],
    ['http://storage.example/x', 'plain http'],
    ['file:///etc/passwd', 'neither https nor http'],
    ['https://ann:x@storage.example/', 'a login'],
    ['http://[', 'without a valid Location'],
  ])('do not go to %s', async (location, reason) => {
    const registry = await redirecting(() => location);
    await expect(collect(client().getBlob(registry.repository(), blob, { credentials }))).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      message: expect.stringContaining(reason),
    });
  });
});

describe('refusalOfHop', () => {
  const insecure = new Set(['plain.example:5000']);
  it.each([
    ['https://a.example/', 'https://b.example/', true],
    ['https://a.example/', 'https://10.0.0.1/', true],
    ['https://a.example/', 'https://127.0.0.1/', false],
    ['https://a.example/', 'https://localhost/', false],
    ['https://a.example/', 'https://[::1]/', false],
    ['https://a.example/', 'https://[fe80::1]/', false],
    ['https://a.example/', 'https://0x7f.1/', false],
    ['https://a.example/', 'http://a.example/', false],
    ['https://plain.example:5000/', 'http://plain.example:5000/', false],
    ['http://plain.example:5000/', 'http://plain.example:5000/x', true],
    ['http://plain.example:5000/', 'http://other.example/', false],
    ['http://127.0.0.1:1/', 'http://127.0.0.1:2/', true],
    ['http://127.0.0.1:1/', 'http://plain.example:5000/', true],
  ])('from %s to %s: allowed %s', (from, to, allowed) => {
    expect(refusalOfHop(new URL(from), new URL(to), insecure) === undefined).toBe(allowed);
  });
});

describe('refusalOfRealm', () => {
  const insecure = new Set(['plain.example:5000']);
  it.each([
    ['https://registry-1.docker.io/', 'https://auth.docker.io/token', true],
    ['https://a.example/', 'http://a.example/token', false],
    ['https://a.example/', 'http://auth.example/token', false],
    ['https://a.example/', 'https://192.168.0.1/token', false],
    ['https://a.example/', 'https://127.0.0.1/token', false],
    ['https://a.example/', 'https://2130706433/token', false],
    ['https://192.168.0.1/', 'https://192.168.0.1/token', true],
    ['https://192.168.0.1/', 'https://192.168.0.1:8443/token', false],
    ['https://a.example/', 'http://plain.example:5000/token', true],
    ['http://localhost:5000/', 'http://localhost:5001/token', true],
    ['http://localhost:5000/', 'http://auth.example/token', false],
    ['https://localhost:5000/', 'http://localhost:5001/token', false],
  ])('registry %s, realm %s: allowed %s', (registry, realm, allowed) => {
    expect(refusalOfRealm(new URL(registry), new URL(realm), insecure) === undefined).toBe(allowed);
  });
});
