/**
 * What hostile and broken registries do, one `describe` for each kind. Archives, layouts and image documents are attacked in
 * the tests of the packages that read them.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { MediaType, parseManifest, parseReference } from '@gantry/image-spec';
import type { Descriptor, Digest, ImageReference, ProgressEvent } from '@gantry/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';
import { certificate, collect, describeBlob, digestOf, noise, type Script, ScriptedServer } from './scripted-server.js';

const content = noise(300_000);
const blob = describeBlob(content);
const manifest = Buffer.from('{"schemaVersion":2}');
const type = { 'content-type': MediaType.ociManifest };
const login = { username: 'ann', password: 'hunter2' };

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(script: Script, tls = false): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(script, { tls });
  servers.push(server);
  return server;
}

const client = (options: RegistryClientOptions = {}) =>
  createRegistryClient({
    ca: certificate,
    retries: { baseMs: 1 },
    timeouts: { progressMs: 300, progressBytes: 1024 },
    ...options,
  });

const getBlob = (server: ScriptedServer, descriptor: Descriptor = blob, options: RegistryClientOptions = {}) =>
  collect(client(options).getBlob(server.repository(), descriptor));

function serve(response: ServerResponse, range: string | undefined): void {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (from > 0) response.setHeader('content-range', `bytes ${from}-${content.length - 1}/${content.length}`);
  const part = content.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length }).end(part);
}

/** Serves the blob after these faults, one a request. */
function after(...faults: readonly ((response: ServerResponse) => void)[]): Script {
  const left = [...faults];
  return ({ headers }, response) => {
    const fault = left.shift();
    if (fault) fault(response);
    else serve(response, headers.range);
  };
}

const breakAfter = (bytes: number) => (response: ServerResponse) => {
  response.writeHead(200, { 'content-length': content.length });
  response.write(content.subarray(0, bytes), () => response.destroy());
};

function flood(response: ServerResponse): void {
  const pump = () => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
    response.once('drain', pump);
  };
  pump();
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write('x'), 10);
  response.once('close', () => clearInterval(timer));
}

/** A registry that wants a token of `realm`, which it gives itself at `/token`. */
const wantsToken =
  (realm: (server: ScriptedServer) => string, token: (response: ServerResponse) => void): Script =>
  ({ url, headers }, response) => {
    const [server] = servers;
    if (url.startsWith('/token')) token(response);
    else if (headers.authorization === 'Bearer tok') response.writeHead(200, type).end(manifest);
    else if (server) response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm(server)}"` }).end();
  };
const ownRealm = (server: ScriptedServer) => `http://${server.host}/token`;

describe('one body with `manifests` and `layers` under two types (CVE-2021-41190)', () => {
  it('has the type that it was sent with, and is refused under it', async () => {
    const body = JSON.stringify({ schemaVersion: 2, manifests: [], layers: [], config: blob });
    for (const sentAs of [MediaType.ociManifest, MediaType.ociIndex]) {
      const server = await start((_, response) => void response.writeHead(200, { 'content-type': sentAs }).end(body));
      const { descriptor, bytes } = await client().getManifest(server.repository());
      expect(descriptor.mediaType).toBe(sentAs);
      expect(() => parseManifest(bytes, descriptor.mediaType)).toThrow(
        expect.objectContaining({ code: 'INVALID_DOCUMENT' }),
      );
    }
  });
});

describe('keys differing in case, duplicate keys', () => {
  it.each([
    ['{"token":"tok","token":"other"}', 'INVALID_DOCUMENT'],
    ['{"Token":"tok"}', 'REGISTRY_ERROR'],
    ['{"__proto__":{"token":"tok"}}', 'REGISTRY_ERROR'],
  ])('of a token service: %s', async (body, code) => {
    const server = await start(wantsToken(ownRealm, (response) => void response.end(body)));
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({ code });
  });
});

describe('digest `sha256:../../x`, unknown algorithm, short hex (CVE-2024-3727)', () => {
  it.each([
    'sha256:../../x',
    'sha256:',
    'sha256:abc',
    `sha256:${'A'.repeat(64)}`,
    `sha1:${'0'.repeat(40)}`,
    `md5:${'0'.repeat(32)}`,
    `sha256:${'0'.repeat(64)}\n`,
    `sha256:${'0'.repeat(64)}/..`,
  ] as Digest[])('%j goes into no URL', async (digest) => {
    const server = await start(after());
    const { registry, repository } = server.repository();
    await expect(getBlob(server, { ...blob, digest })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    for (const call of [
      client().getManifest({ registry, repository, digest }),
      client().hasBlob(server.repository(), digest),
      client().mountBlob(server.repository(), digest, server.repository()),
      client().deleteManifest({ registry, repository, digest }),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(server.requests).toHaveLength(0);
  });
});

describe('sha512 reference committed under sha256; md5', () => {
  it('is verified by the algorithm of the reference', async () => {
    const server = await start(after());
    const right = { ...blob, digest: digestOf(content, 'sha512') };
    expect((await getBlob(server, right)).equals(content)).toBe(true);
    const wrong = { ...blob, digest: digestOf(noise(10), 'sha512') };
    await expect(getBlob(server, wrong)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
});

describe('size 10 with 9 or 11 bytes; -1; 2^53+1', () => {
  it.each([-1, 1])('a declared length that is off by %i ends it without reading', async (difference) => {
    const closed: Promise<unknown>[] = [];
    const server = await start((_, response) => {
      closed.push(once(response, 'close'));
      response.writeHead(200, { 'content-length': content.length + difference }).flushHeaders();
    });
    await expect(getBlob(server)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    await Promise.all(closed);
    expect(server.requests).toHaveLength(1);
  });

  it('one byte more is noticed, and not handed out', async () => {
    const server = await start((_, response) => void response.write(content, () => response.end('x')));
    let length = 0;
    const reading = async () => {
      for await (const chunk of client().getBlob(server.repository(), blob)) length += chunk.length;
    };
    await expect(reading()).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    expect(length).toBeLessThanOrEqual(blob.size);
  });

  it('one byte less is noticed, whatever is left to retry', async () => {
    const server = await start(({ headers }, response) => {
      if (headers.range) response.writeHead(416).end();
      else response.end(content.subarray(1));
    });
    await expect(getBlob(server)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    expect(server.requests.length).toBeLessThanOrEqual(5);
  });

  it.each([-1, 2 ** 53, 1.5, Number.NaN])('a size of %d is never asked for', async (size) => {
    const server = await start(after());
    await expect(getBlob(server, { ...blob, size })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(server.requests).toHaveLength(0);
  });
});

describe('1 GB manifest, token or error body (CVE-2020-1702)', () => {
  it.each([
    ['a declared manifest', { ...type, 'content-length': 2 ** 30 }],
    ['a streamed manifest', type],
  ])('%s is cut off', async (_, headers) => {
    const server = await start((__, response) => {
      response.writeHead(200, headers);
      flood(response);
    });
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(server.requests).toHaveLength(1);
  });

  it('a token is cut off', async () => {
    const server = await start(wantsToken(ownRealm, flood));
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('an error is cut off', async () => {
    const server = await start((_, response) => {
      response.writeHead(400);
      flood(response);
    });
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({ details: { status: 400 } });
  });

  it('a challenge, a redirect and a page of tags are cut off', async () => {
    const server = await start(({ url }, response) => {
      if (url.includes('tags')) response.writeHead(200);
      else if (url.includes('blobs')) response.writeHead(302, { location: 'http://169.254.169.254/' });
      else response.writeHead(401, { 'www-authenticate': 'Basic' });
      flood(response);
    });
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await expect(getBlob(server)).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    const tags = async () => {
      for await (const tag of client().listTags(server.repository())) expect.fail(tag);
    };
    await expect(tags()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});

describe('layer `urls` on a foreign host answering 401 (CVE-2020-15157)', () => {
  it('are not asked at all', async () => {
    const foreign = await start((_, response) => void response.writeHead(401, { 'www-authenticate': 'Basic' }).end());
    const server = await start(after());
    const layer = { ...blob, urls: [`http://${foreign.host}/layer`] };
    const got = await collect(client().getBlob(server.repository(), layer, { credentials: login }));
    expect(got.equals(content)).toBe(true);
    expect(foreign.requests).toHaveLength(0);
  });
});

describe('redirects across hosts', () => {
  it('carry no login, cookie or other header of ours, and no challenge there is answered', async () => {
    const storage = await start(({ url }, response) => {
      if (url === '/challenge') response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
      else response.end(content);
    });
    const registry = await start(({ headers, url }, response) => {
      const location = `http://${storage.host}${url.includes('blobs') ? '/blob' : '/challenge'}`;
      if (!headers.authorization) response.writeHead(401, { 'www-authenticate': 'Basic', 'set-cookie': 'a=1' }).end();
      else response.writeHead(307, { location, 'set-cookie': 'session=1' }).end();
    });
    const options = { credentials: login };
    expect(await collect(client().getBlob(registry.repository(), blob, options))).toHaveLength(content.length);
    await expect(client().getManifest(registry.repository(), options)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    expect(storage.seen).toEqual(['GET /blob', 'GET /challenge']);
    for (const { headers } of storage.requests) {
      expect(Object.keys(headers).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host', 'user-agent']);
    }
  });
});

describe('token realm on http, on a link-local or private address; token server redirecting there', () => {
  const realms = [
    'http://169.254.169.254/token',
    'https://169.254.169.254/token',
    'https://10.1.2.3/token',
    'https://[fd00::1]/token',
    'https://[::ffff:10.0.0.1]/token',
    'https://0x7f.1/token',
    'http://auth.example/token',
    'http://ann:x@127.0.0.1/token',
    'ftp://auth.example/token',
    '/token',
  ];

  it.each(realms)('%s gets no login', async (realm) => {
    const server = await start(wantsToken(() => realm, flood));
    const failure = await client()
      .getManifest(server.repository(), { credentials: login })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'REGISTRY_ERROR' });
    expect(inspect(failure, { depth: 20 })).not.toContain('hunter2');
    expect(server.requests).toHaveLength(1);
  });

  it.each(realms.filter((realm) => realm.startsWith('http')))('%s is not redirected to', async (location) => {
    const server = await start(wantsToken(ownRealm, (response) => void response.writeHead(307, { location }).end()));
    await expect(client().getManifest(server.repository(), { credentials: login })).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
    expect(server.requests).toHaveLength(2);
  });

  it('an identity token is never redirected', async () => {
    const other = await start((_, response) => void response.end('{"token":"tok"}'));
    const server = await start((request, response) => {
      if (request.method === 'POST') response.writeHead(307, { location: `http://${other.host}/token` }).end();
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="${ownRealm(server)}"` }).end();
    });
    const credentials = { identityToken: 'refresh' };
    await expect(client().getManifest(server.repository(), { credentials })).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
    expect(other.requests).toHaveLength(0);
  });
});

describe('https to http redirect; http fallback', () => {
  it('a redirect never leaves https', async () => {
    const storage = await start((_, response) => void response.end(content));
    const location = `http://${storage.host}/x`;
    const registry = await start((_, response) => void response.writeHead(307, { location }).end(), true);
    await expect(getBlob(registry)).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      message: expect.stringContaining('https down to http'),
    });
    expect(storage.requests).toHaveLength(0);
  });

  it('a registry is spoken to over http only where it is this host or listed', async () => {
    const asked: string[] = [];
    const transport: RegistryClientOptions['transport'] = {
      async send({ url }) {
        asked.push(url.protocol);
        if (url.protocol === 'https:') throw Object.assign(new Error('wrong version number'), { code: 'EPROTO' });
        return { status: 200, headers: new Map(), body: (async function* () {})() };
      },
    };
    await expect(client({ transport }).ping('plain.example')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(asked).toEqual(['https:']);
    await client({ transport }).ping('localhost:1');
    await client({ transport, insecure: ['plain.example'] }).ping('plain.example');
    expect(asked).toEqual(['https:', 'https:', 'http:', 'https:', 'http:']);
  });
});

describe('Docker-Content-Digest differs from the body; HEAD differs from GET', () => {
  it('the digest is computed here', async () => {
    const lie = digestOf(Buffer.of(1));
    const headers = { ...type, 'docker-content-digest': lie, 'content-length': manifest.length };
    const server = await start((_, response) => void response.writeHead(200, headers).end(manifest));
    const { descriptor } = await client().getManifest(server.repository());
    expect(descriptor.digest).toBe(digestOf(manifest));
    // What HEAD says is held against the manifest by whoever fetches it.
    const told = await client().resolve(server.repository());
    expect(told.digest).toBe(lie);
    await expect(client().getManifest({ ...server.repository(), digest: told.digest })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });
});

describe('200 to a Range request; 206 with the wrong start', () => {
  it('a whole body is used from where it goes on', async () => {
    const server = await start(after(breakAfter(100_000), (response) => serve(response, undefined)));
    expect((await getBlob(server)).equals(content)).toBe(true);
  });

  it.each([
    ['a wrong start', 'bytes 0-299999/300000'],
    ['a wrong end', 'bytes 100000-200000/300000'],
    ['another total', 'bytes 100000-299999/300001'],
    ['no sense', 'bytes ?'],
    ['no range at all', undefined],
  ])('a part with %s is not used', async (_, range) => {
    const wrong = (response: ServerResponse) => {
      response.writeHead(206, range === undefined ? {} : { 'content-range': range }).end(content.subarray(50_000));
    };
    const server = await start(after(breakAfter(100_000), wrong));
    expect((await getBlob(server)).equals(content)).toBe(true);
    expect(server.requests.map((request) => request.headers.range !== undefined)).toEqual([false, true, false]);
  });

  it('a part that nobody asked for is not used', async () => {
    const unasked = (response: ServerResponse) => {
      response.writeHead(206, { 'content-range': 'bytes 100000-299999/300000' }).end(content.subarray(100_000));
    };
    const server = await start(after(unasked));
    expect((await getBlob(server)).equals(content)).toBe(true);
  });

  it('content that changes between two responses is found out', async () => {
    const other = Buffer.from(content);
    other.writeUInt8(other.readUInt8(200_000) ^ 1, 200_000);
    const server = await start(after(breakAfter(100_000), (response) => void response.writeHead(200).end(other)));
    await expect(getBlob(server)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
});

describe('drip of 1 byte in 200 ms; stall', () => {
  it.each([
    ['a stall before the head', () => undefined],
    ['a stall in the body', (response: ServerResponse) => void response.write(content.subarray(0, 5000))],
    ['a drip', drip],
  ])('%s runs into the progress deadline', async (_, fault) => {
    const server = await start((__, response) => fault(response));
    await expect(getBlob(server, blob, { retries: { attempts: 2, baseMs: 1 } })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    ['manifest', (server: ScriptedServer) => client({ retries: { attempts: 1 } }).getManifest(server.repository())],
    [
      'question for a blob',
      (server: ScriptedServer) => client({ retries: { attempts: 1 } }).hasBlob(server.repository(), blob.digest),
    ],
  ])('a %s runs into it as well', async (_, ask) => {
    const server = await start((__, response) => drip(response));
    await expect(ask(server)).rejects.toMatchObject({ code: expect.stringMatching(/TIMEOUT|REGISTRY_ERROR/) });
  });

  it('what moves too slowly for the total deadline ends there', async () => {
    const server = await start((_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      const timer = setInterval(() => response.write(content.subarray(0, 2048)), 10);
      response.once('close', () => clearInterval(timer));
    });
    const timeouts = { progressMs: 300, progressBytes: 1024, totalMs: 700 };
    await expect(getBlob(server, blob, { timeouts })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('700 ms'),
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe('`a/../../v2/x`, `%2e%2e`, `?`, `#`, CR LF in a name', () => {
  it.each<Partial<ImageReference>>([
    { repository: 'a/../../v2/x' },
    { repository: 'a/%2e%2e/x' },
    { repository: 'a?x' },
    { repository: 'a#x' },
    { repository: 'a\r\nx: y' },
    { repository: 'a//b' },
    { repository: '' },
    { repository: 'a/'.repeat(200).slice(0, -1) },
    { tag: '../x' },
    { tag: 'a\r\nb' },
    { tag: 'a?b' },
    { registry: 'host/../x' },
    { registry: 'ann@host.example' },
    { registry: 'host.example?' },
  ])('%j goes into no URL', async (part) => {
    const server = await start(after());
    const reference = { ...server.repository(), ...part };
    await expect(client().getManifest(reference)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(collect(client().getBlob(reference, blob))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(client().putBlob(reference, blob, content)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(server.requests).toHaveLength(0);
  });
});

describe('300k-character references', () => {
  it('are refused before anything looks at them for long', async () => {
    for (const repository of ['a'.repeat(300_000), 'a/'.repeat(150_000), 'a-'.repeat(150_000), '_'.repeat(300_000)]) {
      const before = performance.now();
      await expect(client().getManifest({ registry: 'r.example', repository, tag: 'x' })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
      expect(performance.now() - before).toBeLessThan(250);
    }
    expect(() => parseReference(`r.example/${'a'.repeat(300_000)}`)).toThrow();
  });
});

describe('faults of a registry', () => {
  const retrying = async (server: ScriptedServer) => {
    const delays: number[] = [];
    const onProgress = (event: ProgressEvent) => void (event.type === 'retrying' && delays.push(event.delayMs));
    const outcome = await client()
      .getManifest(server.repository(), { onProgress })
      .catch((error: unknown) => error);
    return { delays, outcome };
  };

  it.each([500, 502, 503, 504, 429])('%i is tried again, five times at most', async (status) => {
    const server = await start((_, response) => void response.writeHead(status).end());
    const { delays, outcome } = await retrying(server);
    expect(outcome).toMatchObject({ code: 'REGISTRY_ERROR', details: { status } });
    expect([server.requests.length, delays.length]).toEqual([5, 4]);
  });

  it.each([
    ['seconds', () => '1'],
    ['a date', () => new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000).toUTCString()],
  ])('429 with Retry-After as %s is waited for', async (_, header) => {
    const server = await start((__, response) => {
      if (server.requests.length > 1) response.writeHead(200, type).end(manifest);
      else response.writeHead(429, { 'retry-after': header() }).end();
    });
    const { delays, outcome } = await retrying(server);
    expect(outcome).toMatchObject({ descriptor: { digest: digestOf(manifest) } });
    expect(delays).toHaveLength(1);
    expect(delays[0]).toBeGreaterThan(500);
    expect(delays[0]).toBeLessThanOrEqual(2000);
  });

  it('429 that asks for more than a minute is not waited for', async () => {
    const server = await start((_, response) => void response.writeHead(429, { 'retry-after': '61' }).end());
    const { delays, outcome } = await retrying(server);
    expect(outcome).toMatchObject({ details: { status: 429 } });
    expect(delays).toEqual([]);
  });

  it('401 to every token ends the call after one', async () => {
    let issued = 0;
    const server = await start(({ url }, response) => {
      if (url.startsWith('/token')) response.end(JSON.stringify({ token: `t${++issued}` }));
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="${ownRealm(server)}"` }).end();
    });
    const { outcome } = await retrying(server);
    expect(outcome).toMatchObject({ code: 'UNAUTHORIZED' });
    expect(issued).toBe(1);
  });

  it.each([1, 65_536, 299_999])('a reset at byte %i costs what is missing', async (bytes) => {
    const server = await start(after(breakAfter(bytes)));
    expect((await getBlob(server)).equals(content)).toBe(true);
    expect(server.requests).toHaveLength(2);
    expect(server.requests[1]?.headers.range).toMatch(/^bytes=\d+-$/);
  });

  it('a wrong digest is final', async () => {
    const server = await start((_, response) => void response.end(Buffer.from(content).reverse()));
    await expect(getBlob(server)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', details: { digest: blob.digest } });
    expect(server.requests).toHaveLength(1);
  });

  it('a redirect loop ends after five', async () => {
    const server = await start(({ url }, response) => void response.writeHead(302, { location: url }).end());
    const { outcome } = await retrying(server);
    expect(outcome).toMatchObject({ code: 'REGISTRY_ERROR', message: expect.stringContaining('redirects') });
    expect(server.requests).toHaveLength(6);
  });

  it('a manifest that changes is taken whole, as it was at one moment', async () => {
    const bodies = [manifest, Buffer.from('{"schemaVersion":2,"annotations":{}}')];
    const server = await start((_, response) => {
      const body = bodies[server.requests.length - 1] ?? manifest;
      response.writeHead(200, { ...type, 'content-length': body.length });
      if (server.requests.length === 1) response.write(body.subarray(0, 5), () => response.destroy());
      else response.end(body);
    });
    const { bytes, descriptor } = await client().getManifest(server.repository());
    expect(Buffer.from(bytes).equals(bodies[1] ?? manifest)).toBe(true);
    expect(descriptor.digest).toBe(digestOf(bytes));
  });
});
