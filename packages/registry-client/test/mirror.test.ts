import type { ProgressEvent } from '@gantry/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions, type RegistryMirror } from '../src/index.js';
import { collect, describeBlob, digestOf, noise, type Script, ScriptedServer } from './scripted-server.js';

const content = noise(300_000);
const blob = describeBlob(content);
const bytes = Buffer.from('{"schemaVersion":2}');
const type = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
const login = { username: 'ann', password: 'hunter2' };

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(script: Script): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(script);
  servers.push(server);
  return server;
}

/** Has the manifest and the blob. */
const serve: Script = ({ url, headers }, response) => {
  if (url.includes('/manifests/')) return void response.writeHead(200, type).end(bytes);
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
  if (from > 0) response.setHeader('content-range', `bytes ${from}-${content.length - 1}/${content.length}`);
  response.writeHead(from > 0 ? 206 : 200).end(content.subarray(from));
};

function pull(
  registry: ScriptedServer,
  mirrors: readonly (RegistryMirror | ScriptedServer)[],
  options: RegistryClientOptions = {},
) {
  const list = mirrors.map((mirror) =>
    mirror instanceof ScriptedServer ? { url: `http://${mirror.host}`, insecure: true } : mirror,
  );
  const reasons: string[] = [];
  const onProgress = (event: ProgressEvent) => void (event.type === 'retrying' && reasons.push(event.reason));
  const client = createRegistryClient({
    mirrors: new Map([[registry.host, list]]),
    retries: { baseMs: 1 },
    ...options,
  });
  return { client, reasons, onProgress };
}

describe('mirrors', () => {
  it('are asked first, in their order, and what they have is not asked for again', async () => {
    const registry = await start(serve);
    const empty = await start((_, response) => void response.writeHead(404).end());
    const full = await start(serve);
    const { client, reasons, onProgress } = pull(registry, [empty, full]);
    const { descriptor } = await client.getManifest(registry.repository(), { onProgress });
    expect(descriptor.digest).toBe(digestOf(bytes));
    expect((await collect(client.getBlob(registry.repository(), blob, { onProgress }))).equals(content)).toBe(true);
    expect(registry.requests).toHaveLength(0);
    expect(empty.seen).toEqual(['GET /v2/team/app/manifests/latest', `GET /v2/team/app/blobs/${blob.digest}`]);
    expect(full.seen).toEqual(empty.seen);
    expect(reasons).toHaveLength(2);
    expect(reasons[0]).toContain(`mirror ${empty.host}`);
    expect(reasons[0]).toContain('404');
  });

  it('with a path have their repositories below it', async () => {
    const registry = await start(serve);
    const mirror = await start(serve);
    const { client } = pull(registry, [{ url: `http://${mirror.host}/hub/`, insecure: true }]);
    await client.getManifest(registry.repository());
    expect((await client.resolve(registry.repository())).digest).toBe(digestOf(bytes));
    expect(mirror.seen).toEqual([
      'GET /v2/hub/team/app/manifests/latest',
      'HEAD /v2/hub/team/app/manifests/latest',
      'GET /v2/hub/team/app/manifests/latest',
    ]);
  });

  it.each<[string, Script]>([
    ['answers 500', (_, response) => void response.writeHead(500).end()],
    ['wants a login', (_, response) => void response.writeHead(401, { 'www-authenticate': 'Basic' }).end()],
    [
      'wants it sent elsewhere',
      (_, response) =>
        void response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://169.254.169.254/t"' }).end(),
    ],
    ['breaks off', (_, response) => void response.destroy()],
    ['goes in circles', ({ url }, response) => void response.writeHead(302, { location: url }).end()],
    ['never answers', () => undefined],
    ['gives another manifest', (_, response) => void response.writeHead(200, type).end('{}')],
    [
      'gives no end of it',
      (_, response) => {
        response.writeHead(200, type);
        const pump = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
          response.once('drain', pump);
        };
        pump();
      },
    ],
  ])('one that %s is passed over', async (_, script) => {
    const registry = await start(serve);
    const mirror = await start(script);
    const { client, reasons, onProgress } = pull(registry, [
      { url: `http://${mirror.host}`, insecure: true, deadlineMs: 200 },
    ]);
    const reference = { ...registry.repository(), digest: digestOf(bytes) };
    await client.getManifest(reference, { onProgress });
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain(`mirror ${mirror.host}`);
    expect(registry.requests).toHaveLength(1);
  });

  it.each([0, 1, 150_000, 299_999])('that break a blob off at byte %i are taken over from there', async (at) => {
    const registry = await start(serve);
    const mirror = await start((_, response) => {
      response.writeHead(200, { 'content-length': content.length }).flushHeaders();
      if (at > 0) response.write(content.subarray(0, at), () => response.destroy());
      else response.destroy();
    });
    const { client, reasons, onProgress } = pull(registry, [mirror]);
    expect((await collect(client.getBlob(registry.repository(), blob, { onProgress }))).equals(content)).toBe(true);
    expect(mirror.requests).toHaveLength(1);
    expect(registry.requests).toHaveLength(1);
    expect(reasons).toHaveLength(1);
  });

  it('that announce a blob of another size are passed over', async () => {
    const registry = await start(serve);
    const mirror = await start((_, response) => void response.writeHead(200, { 'content-length': 3 }).end('abc'));
    const { client } = pull(registry, [mirror]);
    expect((await collect(client.getBlob(registry.repository(), blob))).equals(content)).toBe(true);
  });

  it('that give wrong content are found out, and not asked for that blob again', async () => {
    const registry = await start(serve);
    const mirror = await start((_, response) => void response.end(Buffer.from(content).reverse()));
    const { client } = pull(registry, [mirror]);
    await expect(collect(client.getBlob(registry.repository(), blob))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect((await collect(client.getBlob(registry.repository(), blob))).equals(content)).toBe(true);
    expect(mirror.requests).toHaveLength(1);
  });

  it('that cannot be reached are left alone for a while', async () => {
    const registry = await start(serve);
    const gone = await start(serve);
    const { host } = gone;
    servers.splice(servers.indexOf(gone), 1);
    await gone[Symbol.asyncDispose]();
    const { client, reasons, onProgress } = pull(registry, [{ url: `http://${host}`, insecure: true }]);
    await client.getManifest(registry.repository(), { onProgress });
    await collect(client.getBlob(registry.repository(), blob, { onProgress }));
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain('ECONNREFUSED');
  });

  it('wait for their turn outside of their deadline', async () => {
    const registry = await start(serve);
    const mirror = await start((_, response) => void setTimeout(() => response.writeHead(200, type).end(bytes), 150));
    const list = [{ url: `http://${mirror.host}`, insecure: true, deadlineMs: 400 }];
    const { client, reasons, onProgress } = pull(registry, list, { maxConcurrentPerHost: 1 });
    await Promise.all(Array.from({ length: 5 }, () => client.getManifest(registry.repository(), { onProgress })));
    expect(reasons).toEqual([]);
    expect(registry.requests).toHaveLength(0);
  });

  it('never get the login of the registry, but their own', async () => {
    const basic = (name: string) => `Basic ${Buffer.from(`${name}:hunter2`).toString('base64')}`;
    const wantsLogin: Script = (request, response, raw) => {
      if (request.headers.authorization) return serve(request, response, raw);
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
    };
    const registry = await start(wantsLogin);
    const anonymous = await start(wantsLogin);
    const own = await start(wantsLogin);
    const listed = await start(wantsLogin);
    const credentials = new Map([
      [registry.host, login],
      [listed.host, { ...login, username: 'listed' }],
    ]);
    for (const [mirror, name] of [
      [{ url: `http://${anonymous.host}`, insecure: true }, undefined],
      [{ url: `http://${own.host}`, insecure: true, credentials: { ...login, username: 'own' } }, 'own'],
      [{ url: `http://${listed.host}`, insecure: true }, 'listed'],
    ] as const) {
      const { client } = pull(registry, [mirror], { credentials });
      await client.getManifest(registry.repository());
      await client.getManifest(registry.repository(), { credentials: { ...login, username: 'call' } });
      const server = servers.find(({ host }) => mirror.url.endsWith(host));
      const sent = server?.requests.map(({ headers }) => headers.authorization) ?? [];
      expect(new Set(sent)).toEqual(name === undefined ? new Set([undefined]) : new Set([undefined, basic(name)]));
    }
    expect(registry.requests.at(-1)?.headers.authorization).toBe(basic('call'));
  });

  it('have no part in what is not pulled', async () => {
    const registry = await start(({ url }, response) => {
      if (url.includes('/tags/')) response.end('{"tags":["a"]}');
      else response.end();
    });
    const mirror = await start(serve);
    const { client } = pull(registry, [mirror]);
    await client.ping(registry.host);
    await client.hasBlob(registry.repository(), blob.digest);
    await client.putBlob(registry.repository(), blob, content);
    for await (const tag of client.listTags(registry.repository())) expect(tag).toBe('a');
    expect(mirror.requests).toHaveLength(0);
  });

  it('stop with the call', async () => {
    const registry = await start(serve);
    const controller = new AbortController();
    const mirror = await start(() => controller.abort());
    const { client } = pull(registry, [mirror]);
    await expect(client.getManifest(registry.repository(), { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    await expect(
      collect(client.getBlob(registry.repository(), blob, { signal: controller.signal })),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    expect(registry.requests).toHaveLength(0);
  });

  it.each<[string, RegistryMirror]>([
    ['no URL', { url: 'mirror.example' }],
    ['plain HTTP unasked', { url: 'http://mirror.example' }],
    ['another scheme', { url: 'ftp://mirror.example', insecure: true }],
    ['a login in the URL', { url: 'https://ann:x@mirror.example' }],
    ['a query', { url: 'https://mirror.example/?x' }],
    ['a path that is no repository', { url: 'https://mirror.example/Hub' }],
    ['no time', { url: 'https://mirror.example', deadlineMs: 0 }],
  ])('with %s are refused', (_, mirror) => {
    expect(() => createRegistryClient({ mirrors: new Map([['docker.io', [mirror]]]) })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'mirrors' } }),
    );
  });
});
