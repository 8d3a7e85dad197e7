import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createRegistryClient, type ProxyOptions, registryCertificates } from '../src/index.js';
import { proxiesOf, proxyChoice } from '../src/proxies.js';
import {
  certificate,
  certificateKey,
  collect,
  describeBlob,
  noise,
  ScriptedServer,
  type ServerOptions,
} from './scripted-server.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(...args: Parameters<typeof ScriptedServer.start>): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(...args);
  cleanups.push(() => server[Symbol.asyncDispose]());
  return server;
}

/** A proxy that knows every name ending in `.example` as this machine, and wants a login if it has one. */
async function startProxy(login?: string) {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const sockets = new Set<{ destroy(): void }>();
  const refuses = ({ headers }: http.IncomingMessage) => {
    authorizations.push(headers['proxy-authorization']);
    const wanted = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
    return headers['proxy-authorization'] !== wanted;
  };
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (refuses(request)) return void response.writeHead(407).end();
    const { port, pathname } = new URL(request.url ?? '');
    http.get({ port, path: pathname, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
  });
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    if (refuses(request)) {
      const challenge = 'HTTP/1.1 407 Proxy Authentication Required\r\nwww-authenticate: Basic\r\n\r\n';
      return void socket.end(challenge);
    }
    const target = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.pipe(target).pipe(socket);
    });
    target.on('error', () => socket.destroy());
    socket.on('error', () => target.destroy());
    for (const one of [socket, target]) sockets.add(one);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { asked, authorizations, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const content = noise(5_000_000);
const blob = describeBlob(content);
const serveBlob = (options?: ServerOptions) =>
  start((_, response) => void response.writeHead(200, { 'content-length': content.length }).end(content), options);

describe('proxies', () => {
  it('carry TLS through a tunnel, and see nothing of it', async () => {
    const registry = await serveBlob({ tls: true });
    const proxy = await startProxy('ann:p@ss');
    const client = createRegistryClient({
      ca: certificate,
      proxy: { https: proxy.url.replace('//', '//ann:p%40ss@') },
    });
    const reference = { registry: `registry.example:${registry.port}`, repository: 'team/app', tag: 'x' };
    expect((await collect(client.getBlob(reference, blob))).equals(content)).toBe(true);
    expect((await collect(client.getBlob(reference, blob))).equals(content)).toBe(true);
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT registry.example:${registry.port}`]));
    expect(registry.requests[0]?.headers['proxy-authorization']).toBeUndefined();
    expect(registry.requests[0]?.headers.host).toBe(`registry.example:${registry.port}`);
  });

  it('are given plain requests whole', async () => {
    const registry = await serveBlob();
    const proxy = await startProxy('ann:p@ss');
    const host = `plain.example:${registry.port}`;
    const client = createRegistryClient({
      insecure: [host],
      proxy: { http: proxy.url.replace('//', '//ann:p%40ss@') },
      transport: undefined,
    });
    const reference = { registry: host, repository: 'team/app', tag: 'x' };
    await expect(collect(client.getBlob(reference, blob))).rejects.toMatchObject({ code: 'UNREACHABLE' });
    const both = createRegistryClient({
      insecure: [host],
      proxy: { http: proxy.url.replace('//', '//ann:p%40ss@'), https: proxy.url.replace('//', '//ann:p%40ss@') },
    });
    expect((await collect(both.getBlob(reference, blob))).equals(content)).toBe(true);
    expect(proxy.asked).toEqual([`CONNECT ${host}`, `GET http://${host}/v2/team/app/blobs/${blob.digest}`]);
    expect(registry.requests.at(-1)?.headers.host).toBe(host);
  });

  it('that refuse are named, and never taken for the registry', async () => {
    const registry = await serveBlob({ tls: true });
    const proxy = await startProxy('ann:other');
    const client = createRegistryClient({
      ca: certificate,
      credentials: () => ({ username: 'bob', password: 'hunter2' }),
      proxy: { https: proxy.url.replace('//', '//ann:p%40ss-word@') },
      retries: { baseMs: 1 },
    });
    const failure = await client.ping(`registry.example:${registry.port}`).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/proxy 127\.0\.0\.1:\d+: it answered 407 Proxy Authentication Required/),
    });
    const text = inspect(failure, { depth: 20, showHidden: true });
    for (const secret of ['ss-word', 'hunter2', Buffer.from('ann:p@ss-word').toString('base64')]) {
      expect(text).not.toContain(secret);
    }
    expect(registry.requests).toHaveLength(0);
    // Its challenge was not answered with the login of the registry.
    expect(proxy.authorizations.join()).not.toContain(Buffer.from('bob:hunter2').toString('base64'));
  });

  it('that are not there are named', async () => {
    const gone = await startProxy();
    await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
    const proxy = { http: gone.url, https: gone.url };
    const client = createRegistryClient({ proxy, insecure: ['plain.example'], retries: { baseMs: 1 } });
    for (const registry of ['registry.example', 'plain.example']) {
      await expect(client.ping(registry)).rejects.toMatchObject({
        code: 'UNREACHABLE',
        message: expect.stringContaining(`proxy ${new URL(gone.url).host}`),
        details: { errno: 'ECONNREFUSED' },
      });
    }
  });

  it('that never answer run into the deadline of a connection', async () => {
    const silent = http.createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const sockets: { destroy(): void }[] = [];
    silent.on('connect', (_, socket) => void sockets.push(socket));
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy();
      silent.close();
      await once(silent, 'close');
    });
    const https = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const client = createRegistryClient({ proxy: { https }, timeouts: { connectMs: 50 }, retries: { baseMs: 1 } });
    await expect(client.ping('registry.example')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(sockets).toHaveLength(2);
  });

  it('come from the environment unless the options say otherwise, and never stand before this host itself', async () => {
    const proxy = await startProxy();
    const registry = await serveBlob();
    for (const name of ['http_proxy', 'HTTPS_PROXY']) vi.stubEnv(name, proxy.url);
    for (const name of ['https_proxy', 'no_proxy', 'NO_PROXY']) vi.stubEnv(name, '');
    const host = `plain.example:${registry.port}`;
    const reference = { registry: host, repository: 'team/app', tag: 'x' };
    const options = { insecure: [host], retries: { attempts: 1 }, userAgent: 'host/1' };
    await collect(createRegistryClient(options).getBlob(reference, blob));
    expect(proxy.asked).toHaveLength(2);
    expect(registry.requests[0]?.headers['user-agent']).toBe('host/1');
    await collect(createRegistryClient(options).getBlob({ ...reference, registry: registry.host }, blob));
    await expect(createRegistryClient({ ...options, proxy: false }).ping('registry.invalid')).rejects.toMatchObject({
      details: { errno: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) },
    });
    expect(proxy.asked).toHaveLength(2);
  });

  it.each(['', 'http://', 'socks5://proxy.example:1080', 'http://a b/'])('with the URL %j are refused', (https) => {
    const create = () => createRegistryClient({ proxy: { https } });
    expect(create).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'proxy' } }));
  });
});

describe('the choice of a proxy', () => {
  const choose = (none: string, url: string, options: Partial<ProxyOptions> = {}) =>
    proxyChoice({ http: 'http://p:1', https: 'p:2', ...options, ...proxiesOf({ no_proxy: none }) })(new URL(url))?.host;

  it.each([
    ['', 'http://a.example/', 'p:1'],
    ['', 'https://a.example/', 'p:2'],
    ['', 'https://127.0.0.1/', undefined],
    ['', 'https://localhost/', undefined],
    ['*', 'https://a.example/', undefined],
    ['a.example', 'https://a.example/', undefined],
    ['A.Example', 'https://a.example/', undefined],
    ['a.example', 'https://b.a.example/', undefined],
    ['a.example', 'https://ba.example/', 'p:2'],
    ['.a.example', 'https://a.example/', 'p:2'],
    ['.a.example', 'https://b.a.example/', undefined],
    ['*.a.example', 'https://b.a.example/', undefined],
    ['a.example:443', 'https://a.example/', undefined],
    ['a.example:444', 'https://a.example/', 'p:2'],
    ['x, 10.0.0.0/8', 'https://10.1.2.3/', undefined],
    ['10.0.0.0/8', 'https://11.1.2.3/', 'p:2'],
    ['10.0.0.0/8', 'https://10.example/', 'p:2'],
    ['10.1.2.3 x', 'https://10.1.2.3/', undefined],
    ['fd00::/8', 'https://[fd00::1]/', undefined],
    ['[fd00::1]:443', 'https://[fd00::1]/', undefined],
    ['fd00::1', 'https://[fd00::1]/', undefined],
    ['10.0.0.0/99,,:,/', 'https://10.1.2.3/', 'p:2'],
  ])('with the exceptions %j for %s is %s', (none, url, expected) => {
    expect(choose(none, url)).toBe(expected);
  });

  it('reads lower case before upper case, and ALL_PROXY last', () => {
    expect(proxiesOf({ http_proxy: 'a', HTTP_PROXY: 'b', ALL_PROXY: 'c' })).toEqual({ http: 'a', https: 'c' });
    expect(proxiesOf({ HTTPS_PROXY: 'b', https_proxy: '' })).toEqual({ https: 'b' });
    expect(proxiesOf({})).toEqual({});
  });
});

describe('registryCertificates', () => {
  async function certificatesFor(host: string, files: Readonly<Record<string, string>>) {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-certs-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, host));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, host, name), text);
    return { folder, certificates: registryCertificates({ folder }) };
  }

  it('lets in with the certificate of its folder, and nobody without', async () => {
    const registry = await serveBlob({ tls: true, clients: true });
    const { certificates } = await certificatesFor(registry.host, {
      'ca.crt': certificate,
      'client.cert': certificate,
      'client.key': certificateKey,
    });
    const reference = registry.repository();
    const client = createRegistryClient({ certificates });
    expect((await collect(client.getBlob(reference, blob))).equals(content)).toBe(true);
    const stranger = createRegistryClient({ ca: certificate, retries: { attempts: 1 } });
    await expect(stranger.hasBlob(reference, blob.digest)).rejects.toMatchObject({ code: expect.any(String) });
    expect(registry.requests.every(({ url }) => url === '/v2/' || url.includes(blob.digest))).toBe(true);
    const other = createRegistryClient({ certificates: () => undefined, retries: { attempts: 1 } });
    await expect(other.ping(registry.host)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('works through the tunnel of a proxy', async () => {
    const registry = await serveBlob({ tls: true, clients: true });
    const host = `registry.example:${registry.port}`;
    const files = { 'ca.crt': certificate, 'client.cert': certificate, 'client.key': certificateKey };
    const { certificates } = await certificatesFor(host, files);
    const proxy = await startProxy();
    const client = createRegistryClient({ certificates, proxy: { https: proxy.url } });
    await client.ping(host);
    expect(proxy.asked).toEqual([`CONNECT ${host}`]);
  });

  it('shows no certificate to where a registry redirects', async () => {
    const subjects: string[][] = [];
    const storage = await start(
      (_, response, raw) => {
        const socket = raw.socket as typeof raw.socket & { getPeerCertificate(): object };
        subjects.push(Object.keys(socket.getPeerCertificate()));
        response.writeHead(200, { 'content-length': content.length }).end(content);
      },
      { tls: true, clients: true, strangers: true },
    );
    const registry = await start(
      (_, response) => void response.writeHead(307, { location: `https://${storage.host}/x` }).end(),
      { tls: true, clients: true },
    );
    const files = { 'ca.crt': certificate, 'client.cert': certificate, 'client.key': certificateKey };
    const { certificates } = await certificatesFor(registry.host, files);
    const client = createRegistryClient({ certificates, ca: certificate });
    await collect(client.getBlob(registry.repository(), blob));
    expect(subjects.length).toBeGreaterThan(0);
    expect(subjects.flat()).toEqual([]);
  });

  it('reads what it needs and says what is missing', async () => {
    const { certificates, folder } = await certificatesFor('r.example:5000', {
      'b.crt': 'B',
      'a.crt': 'A',
      'x.cert': 'C',
      'x.key': 'K',
      README: '',
    });
    expect(await certificates('r.example:5000')).toEqual({ ca: ['A', 'B'], cert: 'C', key: 'K' });
    expect(await certificates('r.example')).toBeUndefined();
    expect(await certificates('..')).toBeUndefined();
    expect(await certificates('../..')).toBeUndefined();
    await rm(join(folder, 'r.example:5000', 'x.key'));
    await expect(certificates('r.example:5000')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('x.key'),
    });
    const client = createRegistryClient({ certificates, retries: { attempts: 1 } });
    await expect(client.ping('r.example:5000')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
