import { inspect } from 'node:util';
import { GantryError } from '@gantry/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';
import { ScriptedServer, type SeenRequest } from './scripted-server.js';

const bytes = Buffer.from('{"schemaVersion":2}');
const type = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
const login = { username: 'ann', password: 'hunter2' };
const basic = `Basic ${Buffer.from('ann:hunter2').toString('base64')}`;

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(...args: Parameters<typeof ScriptedServer.start>): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(...args);
  servers.push(server);
  return server;
}

const client = (options: RegistryClientOptions = {}) => createRegistryClient({ retries: { baseMs: 1 }, ...options });

interface TokenScript {
  readonly realm?: (registry: ScriptedServer) => string;
  readonly token?: (request: SeenRequest) => { status?: number; body: unknown };
  readonly accepts?: (authorization: string | undefined) => boolean;
}

/** A registry that wants a bearer token, and hands it out itself at /token. */
async function tokenRegistry({ realm, token, accepts }: TokenScript = {}): Promise<ScriptedServer> {
  const server = await start((request, response) => {
    if (request.url.startsWith('/token')) {
      const { status = 200, body } = token?.(request) ?? { body: { token: 'tok', expires_in: 300 } };
      response.writeHead(status).end(JSON.stringify(body));
      return;
    }
    const { authorization } = request.headers;
    if (accepts ? accepts(authorization) : authorization === 'Bearer tok') {
      response.writeHead(200, type).end(bytes);
      return;
    }
    const where = realm?.(server) ?? `http://${server.host}/token`;
    const challenge = `Bearer realm="${where}",service="registry, the \\"best\\"",scope="repository:team/app:pull"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end('{}');
  });
  return server;
}

/** Everything that a program or a log could see of an error. */
async function failure(promise: Promise<unknown>): Promise<{ error: GantryError; text: string }> {
  const error = await promise.then(
    () => expect.fail('did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof GantryError)) throw error;
  return { error, text: inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error.details) };
}

describe('bearer tokens', () => {
  it('gets one for anybody, and uses it until it expires', async () => {
    const server = await tokenRegistry();
    const registry = client();
    await registry.getManifest(server.repository());
    await registry.getManifest(server.repository());
    expect(server.seen.map((line) => line.split('?')[0])).toEqual([
      'GET /v2/team/app/manifests/latest',
      'GET /token',
      'GET /v2/team/app/manifests/latest',
      'GET /v2/team/app/manifests/latest',
    ]);
    const asked = new URL(server.requests[1]?.url ?? '', 'http://x').searchParams;
    expect(Object.fromEntries(asked)).toEqual({ service: 'registry, the "best"', scope: 'repository:team/app:pull' });
    expect(server.requests[1]?.headers.authorization).toBeUndefined();
  });

  it('asks for a new one when the old has run out', async () => {
    let issued = 0;
    const server = await tokenRegistry({
      token: () => ({ body: { access_token: `tok${++issued}`, expires_in: 0.001 } }),
      accepts: (given) => given !== undefined,
    });
    const registry = client();
    await registry.getManifest(server.repository());
    await new Promise((resolve) => setTimeout(resolve, 5));
    await registry.getManifest(server.repository());
    expect(issued).toBe(2);
  });

  it('asks for a new one when the registry refuses a remembered one', async () => {
    let valid = 'tok1';
    let issued = 0;
    const server = await tokenRegistry({
      token: () => ({ body: { token: `tok${++issued}`, expires_in: 300 } }),
      accepts: (given) => given === `Bearer ${valid}`,
    });
    const registry = client();
    await registry.getManifest(server.repository());
    valid = 'tok2';
    await registry.getManifest(server.repository());
    expect(issued).toBe(2);
  });

  it('sends the password to the token service and nothing but the token to the registry', async () => {
    const server = await tokenRegistry();
    await client({ credentials: new Map([[server.host, login]]) }).getManifest(server.repository());
    expect(server.requests.map((request) => request.headers.authorization)).toEqual([undefined, basic, 'Bearer tok']);
  });

  it('posts an identity token', async () => {
    const server = await tokenRegistry();
    await client().getManifest(server.repository(), { credentials: { ...login, identityToken: 'ref resh' } });
    const [, asked] = server.requests;
    expect(asked).toMatchObject({ method: 'POST', url: '/token' });
    expect(asked?.headers.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(asked?.body.toString()))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'ref resh',
      client_id: 'gantry',
      service: 'registry, the "best"',
      scope: 'repository:team/app:pull',
    });
  });

  it('asks once for a token that many calls want at once, and each of them gets it', async () => {
    const server = await tokenRegistry();
    const registry = client();
    await Promise.all(Array.from({ length: 20 }, () => registry.getManifest(server.repository())));
    await registry.getManifest(server.repository());
    expect(server.seen.filter((line) => line.startsWith('GET /token'))).toHaveLength(1);
  });

  it('tells every call in its own words why there is no token', async () => {
    const server = await tokenRegistry({ token: () => ({ status: 403, body: {} }) });
    const registry = client();
    const failures = await Promise.all(
      ['a', 'b'].map((tag) => failure(registry.getManifest(server.repository(tag), { credentials: login }))),
    );
    expect(
      failures.map(({ error }) => [error.code, error.message.includes('app:a'), error.message.includes('app:b')]),
    ).toEqual([
      ['UNAUTHORIZED', true, false],
      ['UNAUTHORIZED', false, true],
    ]);
    expect(failures[0]?.text).not.toContain('hunter2');
  });

  it('does not use a token that the service had in stock for too long', async () => {
    let issued = 0;
    const now = Date.now();
    const server = await tokenRegistry({
      token: () => ({
        body: { token: `tok${++issued}`, expires_in: 300, issued_at: new Date(now - 301_000).toISOString() },
      }),
      accepts: (given) => given !== undefined,
    });
    const registry = client();
    await registry.getManifest(server.repository());
    await registry.getManifest(server.repository());
    // The second call sends no old token first.
    expect(issued).toBe(2);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      undefined,
      'Bearer tok1',
      undefined,
      undefined,
      'Bearer tok2',
    ]);
  });

  it('sends a registry token as it is, and asks for no other', async () => {
    const server = await tokenRegistry();
    await client().getManifest(server.repository(), { credentials: { ...login, registryToken: 'tok' } });
    expect(server.requests.map((request) => request.headers.authorization)).toEqual([undefined, 'Bearer tok']);
    const { error, text } = await failure(
      client().getManifest(server.repository(), { credentials: { registryToken: 'stale-token' } }),
    );
    expect(error.code).toBe('UNAUTHORIZED');
    expect(text).not.toContain('stale-token');
    await expect(
      client().getManifest(server.repository(), { credentials: { registryToken: 'a\r\nb: c' } }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('takes the challenge that it can answer, out of several headers', async () => {
    const server = await start((request, response) => {
      if (request.url.startsWith('/token')) response.end(JSON.stringify({ token: 'tok' }));
      else if (request.headers.authorization === 'Bearer tok') response.writeHead(200, type).end(bytes);
      else {
        const challenges = ['Negotiate', 'Bearer', `Basic realm="x"`, `Bearer realm="http://${server.host}/token"`];
        response.writeHead(401, { 'www-authenticate': challenges }).end();
      }
    });
    await client().getManifest(server.repository(), { credentials: login });
    expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer tok');
  });

  it('asks for every scope of a challenge, and for what the challenge leaves out', async () => {
    const server = await start((request, response) => {
      if (request.url.startsWith('/token')) response.end(JSON.stringify({ token: 'tok' }));
      else if (request.headers.authorization) response.writeHead(201).end();
      else {
        const challenge = `Bearer realm="http://${server.host}/token?x=1&scope=old",scope="repository:team/app:pull,push registry:catalog:*"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      }
    });
    const from = { ...server.repository(), repository: 'other/app' };
    await client().mountBlob(server.repository(), `sha256:${'0'.repeat(64)}`, from);
    const asked = new URL(server.requests[1]?.url ?? '', 'http://x').searchParams;
    expect(asked.getAll('scope')).toEqual([
      'repository:team/app:pull,push',
      'registry:catalog:*',
      'repository:other/app:pull',
    ]);
    expect(asked.get('x')).toBe('1');
  });

  it('keeps the tokens of two logins apart', async () => {
    const server = await tokenRegistry({
      token: ({ headers }) => ({ body: { token: headers.authorization === basic ? 'anns' : 'bobs', expires_in: 300 } }),
      accepts: (given) => given !== undefined,
    });
    const registry = client();
    await registry.getManifest(server.repository(), { credentials: login });
    await registry.getManifest(server.repository(), { credentials: { username: 'bob', password: 'x' } });
    expect(server.requests.at(2)?.headers.authorization).toBe('Bearer anns');
    expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer bobs');
  });

  it('gives up after the second 401', async () => {
    const server = await tokenRegistry({ accepts: () => false });
    const { error, text } = await failure(client().getManifest(server.repository(), { credentials: login }));
    expect(error.code).toBe('UNAUTHORIZED');
    expect(server.requests).toHaveLength(3);
    expect(text).not.toContain('hunter2');
  });

  it.each([
    ['a refusal', { status: 401, body: { errors: [{ code: 'UNAUTHORIZED', message: 'bad login' }] } }, 'UNAUTHORIZED'],
    ['no token', { body: { tok: 1 } }, 'REGISTRY_ERROR'],
    ['a token that breaks the header', { body: { token: 'a\r\nx-evil: 1' } }, 'REGISTRY_ERROR'],
    ['more than 1 MiB', { body: { token: 'x'.repeat(1024 * 1024) } }, 'LIMIT_EXCEEDED'],
    ['an array', { body: [] }, 'REGISTRY_ERROR'],
  ])('fails on %s of the token service', async (_, answer, code) => {
    const server = await tokenRegistry({ token: () => answer });
    const { error } = await failure(client().getManifest(server.repository(), { credentials: login }));
    expect(error.code).toBe(code);
  });

  it('checks where the token service redirects to, and takes no login along', async () => {
    const other = await start((_, response) => void response.end(JSON.stringify({ token: 'tok' })));
    const server = await start((request, response) => {
      if (request.url.startsWith('/token')) {
        response.writeHead(307, {
          location: server.requests.length > 3 ? 'http://169.254.169.254/' : `http://${other.host}/t`,
        });
        response.end();
      } else if (request.headers.authorization === 'Bearer tok') response.writeHead(200, type).end(bytes);
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${server.host}/token"` }).end();
    });
    await client().getManifest(server.repository(), { credentials: login });
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
    await expect(client().getManifest(server.repository(), { credentials: login })).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
  });
});

describe('basic logins', () => {
  const basicRegistry = () =>
    start((request, response) => {
      if (request.headers.authorization === basic) response.writeHead(200, type).end(bytes);
      else response.writeHead(401, { 'www-authenticate': 'Negotiate, Basic realm="here"' }).end();
    });

  it('sends user name and password once they are asked for, then at once', async () => {
    const server = await basicRegistry();
    const registry = client({ credentials: async (name) => (name === server.host ? login : undefined) });
    await registry.getManifest(server.repository());
    await registry.getManifest(server.repository());
    expect(server.requests.map((request) => request.headers.authorization)).toEqual([undefined, basic, basic]);
  });

  it('says that a login is wanted, or refused', async () => {
    const server = await basicRegistry();
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringContaining('wants a login'),
    });
    const { error, text } = await failure(
      client().getManifest(server.repository(), { credentials: { username: 'ann', password: 'wrong' } }),
    );
    expect(error.code).toBe('UNAUTHORIZED');
    expect(text).not.toContain('wrong"');
    expect(text).not.toContain(Buffer.from('ann:wrong').toString('base64'));
    expect(server.requests).toHaveLength(3);
  });

  it('refuses a user name that cannot be sent', async () => {
    const server = await basicRegistry();
    const credentials = { username: 'a:b', password: 'x' };
    await expect(client().getManifest(server.repository(), { credentials })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('keeps secrets that a server echoes out of its error', async () => {
    const server = await start((request, response) => {
      const said = { errors: [{ code: 'DENIED', message: `no ${request.headers.authorization} hunter2` }] };
      response
        .writeHead(request.headers.authorization ? 403 : 401, { 'www-authenticate': 'Basic' })
        .end(JSON.stringify(said));
    });
    const { error, text } = await failure(client().getManifest(server.repository(), { credentials: login }));
    expect(error.code).toBe('UNAUTHORIZED');
    expect(text).toContain('DENIED');
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(basic.slice(6));
  });

  it('keeps the login out of the error of a broken connection', async () => {
    const server = await start((request, response) => {
      if (request.headers.authorization) response.destroy();
      else response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
    });
    const { text } = await failure(client().getManifest(server.repository(), { credentials: login }));
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(basic.slice(6));
  });

  it('reports a credential source that fails', async () => {
    const cause = new Error('keyring locked');
    const registry = client({ credentials: () => Promise.reject(cause) });
    const server = await basicRegistry();
    await expect(registry.getManifest(server.repository())).rejects.toMatchObject({ code: 'UNAUTHORIZED', cause });
  });
});

describe('ping', () => {
  it('is satisfied with an answer, and with a login that is taken', async () => {
    const server = await tokenRegistry();
    await client().ping(server.host);
    await client().ping(server.host, { credentials: login });
    expect(server.seen[0]).toBe('GET /v2/');
  });

  it('needs no login where it has none to try', async () => {
    const server = await start((_, response) => void response.writeHead(401, { 'www-authenticate': 'Basic' }).end());
    await client().ping(server.host);
    await expect(client().ping(server.host, { credentials: login })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('refuses what is no registry name', async () => {
    await expect(client().ping('http://x/')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'registry' },
    });
  });
});
