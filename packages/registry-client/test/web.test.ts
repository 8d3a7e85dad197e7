import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { downloadFile, fetchDocument, type WebOptions } from '../src/index.js';
import { certificate, collect, noise, type Script, ScriptedServer, type ServerOptions } from './scripted-server.js';

const content = noise(300_000);
const options = {
  ca: certificate,
  retries: { baseMs: 1 },
  timeouts: { progressMs: 200, progressBytes: 1024 },
} satisfies WebOptions;

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(script: Script, how: ServerOptions = { tls: true }): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(script, how);
  servers.push(server);
  return server;
}

const serve: Script = (_, response) => void response.writeHead(200, { 'content-length': content.length }).end(content);
const url = (server: ScriptedServer, path = '/file?signature=secret') => `https://${server.host}${path}`;

/** Both ways to fetch a file. */
const ways = [
  [
    'downloadFile',
    (from: string, more: WebOptions = {}, maxBytes = 400_000) =>
      collect(downloadFile(from, { ...options, ...more, maxBytes })),
  ],
  [
    'fetchDocument',
    async (from: string, more: WebOptions = {}, maxBytes = 400_000) =>
      Buffer.from(await fetchDocument(from, maxBytes, { ...options, ...more })),
  ],
] as const;

describe.each(ways)('%s', (_, fetch) => {
  it('brings a file over HTTPS, also an empty one', async () => {
    const server = await start((request, response, raw) =>
      request.url === '/empty' ? void response.end() : serve(request, response, raw),
    );
    expect((await fetch(url(server))).equals(content)).toBe(true);
    expect(await fetch(url(server, '/empty'))).toHaveLength(0);
    expect(server.seen).toEqual(['GET /file?signature=secret', 'GET /empty']);
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('follows redirects within HTTPS, and not out of it', async () => {
    const server = await start(({ url: asked }, response, raw) => {
      if (asked === '/file') return void response.writeHead(302, { location: '/there' }).end();
      if (asked === '/plain') return void response.writeHead(302, { location: 'http://storage.example/' }).end();
      if (asked === '/cloud') return void response.writeHead(302, { location: 'https://169.254.169.254/' }).end();
      if (asked === '/circle') return void response.writeHead(302, { location: '/circle' }).end();
      return serve({ url: asked, method: 'GET', headers: {}, body: Buffer.alloc(0) }, response, raw);
    });
    expect((await fetch(url(server, '/file'))).equals(content)).toBe(true);
    for (const path of ['/plain', '/cloud', '/circle']) {
      await expect(fetch(url(server, path))).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    }
  });

  it('refuses plain HTTP, even to this host, unless it is listed', async () => {
    const server = await start(serve, {});
    const plain = `http://${server.host}/x`;
    await expect(fetch(plain)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'url' } });
    expect(server.requests).toHaveLength(0);
    expect((await fetch(plain, { insecure: [server.host] })).equals(content)).toBe(true);
  });

  it.each(['file:///etc/passwd', 'x', '//host/x', 'https://ann:pass@host.example/'])('refuses %s', async (text) => {
    const failure = await fetch(text).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(String(failure)).not.toContain('pass@');
  });

  it.each([
    ['announced', { 'content-length': 2 ** 30 }],
    ['not announced', {}],
  ])('cuts a file off that is too long, %s', async (__, headers) => {
    const closed: Promise<unknown>[] = [];
    const server = await start((___, response) => {
      closed.push(once(response, 'close'));
      response.writeHead(200, headers);
      const pump = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        response.once('drain', pump);
      };
      pump();
    });
    await expect(fetch(url(server))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await Promise.all(closed);
    expect(server.requests).toHaveLength(1);
  });

  it('hands out no more than its limit', async () => {
    const server = await start(serve);
    expect((await fetch(url(server), {}, content.length)).equals(content)).toBe(true);
    await expect(fetch(url(server), {}, content.length - 1)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await expect(fetch(url(server), {}, -1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it.each([
    [404, 'NOT_FOUND'],
    [403, 'UNAUTHORIZED'],
    [410, 'REGISTRY_ERROR'],
  ])('tells what %i means, without the query', async (status, code) => {
    const server = await start((__, response) => void response.writeHead(status).end());
    const failure = await fetch(url(server)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, details: { status } });
    expect(String(failure)).toContain(`${server.host}/file`);
    expect(String(failure)).not.toContain('secret');
  });

  it('tries again what failed before the first byte', async () => {
    const server = await start((request, response, raw) => {
      if (server.requests.length < 3) response.writeHead(503).end();
      else void serve(request, response, raw);
    });
    expect((await fetch(url(server))).equals(content)).toBe(true);
  });

  it('stops when the signal fires, also before it begins', async () => {
    const controller = new AbortController();
    const server = await start(() => controller.abort());
    await expect(fetch(url(server), { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(fetch(url(server), { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(server.requests).toHaveLength(1);
  });

  it('does not end well when the connection does not', async () => {
    const server = await start((__, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 1000), () => response.destroy());
    });
    await expect(fetch(url(server))).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
  });

  it('times out on a stall', async () => {
    const server = await start((__, response) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 1000));
    });
    await expect(fetch(url(server), { retries: { attempts: 2, baseMs: 1 } })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });
});
