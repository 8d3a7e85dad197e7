import { describe, expect, it } from 'vitest';
import { startRegistry, type TestRegistry } from '../src/index.js';
import { call } from './http.js';

const basic = (username: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** What a client reads from the challenge: where to ask, and for what. */
function challenge(header: string | undefined): URLSearchParams {
  const fields = (header ?? '').replace(/^Bearer /, '').matchAll(/(\w+)="([^"]*)"/g);
  return new URLSearchParams(Array.from(fields, ([, key = '', value = '']): [string, string] => [key, value]));
}

/** Asks for a token as the challenge of the path says. */
async function tokenFor(registry: TestRegistry, path: string, method: string, headers = {}): Promise<string> {
  const asked = challenge((await call(registry, path, { method })).headers.get('www-authenticate'));
  const realm = new URL(asked.get('realm') ?? '');
  expect(realm.host).toBe(registry.address);
  const query = new URLSearchParams({ service: asked.get('service') ?? '', scope: asked.get('scope') ?? '' });
  const answer = await call(registry, `${realm.pathname}?${query}`, { headers });
  expect(answer.status).toBe(200);
  return JSON.parse(answer.body.toString()).token;
}

describe('a registry with a login', () => {
  it('lets in only who has it', async () => {
    await using registry = await startRegistry({ auth: { basic: { username: 'me', password: 'a:b' } } });
    const refused = await call(registry, '/v2/');
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="test registry"']);
    expect((await call(registry, '/v2/', { headers: basic('me', 'wrong') })).status).toBe(401);
    expect((await call(registry, '/v2/', { headers: basic('me', 'a:b') })).status).toBe(200);
    expect((await call(registry, '/v2/a/blobs/uploads/', { method: 'POST' })).status).toBe(401);
  });
});

describe('a registry with tokens', () => {
  it('gives a token for what is asked, and takes it for nothing else', async () => {
    await using registry = await startRegistry({ auth: { bearer: {} } });
    const pull = await tokenFor(registry, '/v2/a/tags/list', 'GET');
    expect((await call(registry, '/v2/a/tags/list', { headers: bearer(pull) })).status).toBe(404);
    const push = await call(registry, '/v2/a/blobs/uploads/', { method: 'POST', headers: bearer(pull) });
    expect([push.status, challenge(push.headers.get('www-authenticate')).get('error')]).toEqual([
      401,
      'insufficient_scope',
    ]);
    expect((await call(registry, '/v2/b/tags/list', { headers: bearer(pull) })).status).toBe(401);
    const both = await tokenFor(registry, '/v2/a/blobs/uploads/', 'POST');
    expect((await call(registry, '/v2/a/blobs/uploads/', { method: 'POST', headers: bearer(both) })).status).toBe(202);
  });

  it('gives tokens only to the login that it knows', async () => {
    await using registry = await startRegistry({ auth: { bearer: { username: 'me', password: 'secret' } } });
    expect((await call(registry, '/token?scope=repository:a:pull')).status).toBe(401);
    const token = await tokenFor(registry, '/v2/a/tags/list', 'GET', basic('me', 'secret'));
    expect((await call(registry, '/v2/a/tags/list', { headers: bearer(token) })).status).toBe(404);
  });

  it.each([
    ['a refresh token', { grant_type: 'refresh_token', refresh_token: 'identity' }, 200],
    ['another refresh token', { grant_type: 'refresh_token', refresh_token: 'other' }, 401],
    ['the password', { grant_type: 'password', username: 'me', password: 'secret' }, 200],
    ['another password', { grant_type: 'password', username: 'me', password: 'other' }, 401],
  ])('answers %s in the OAuth2 form', async (_, form, status) => {
    const auth = { bearer: { username: 'me', password: 'secret', identityToken: 'identity' } };
    await using registry = await startRegistry({ auth });
    const body = new URLSearchParams({ ...form, scope: 'repository:a:pull', service: 'test-registry' }).toString();
    const answer = await call(registry, '/token', { method: 'POST', body });
    expect(answer.status).toBe(status);
    if (status !== 200) return;
    const token = JSON.parse(answer.body.toString()).access_token;
    expect((await call(registry, '/v2/a/tags/list', { headers: bearer(token) })).status).toBe(404);
  });

  it('takes no token that is forged, revoked or too old', async () => {
    await using registry = await startRegistry({ auth: { bearer: {} } });
    expect((await call(registry, '/v2/', { headers: bearer('forged') })).status).toBe(401);
    const token = await tokenFor(registry, '/v2/a/tags/list', 'GET');
    registry.revokeTokens();
    const refused = await call(registry, '/v2/a/tags/list', { headers: bearer(token) });
    expect(challenge(refused.headers.get('www-authenticate')).get('error')).toBe('invalid_token');

    await using brief = await startRegistry({ auth: { bearer: { expiresIn: 0 } } });
    const old = await tokenFor(brief, '/v2/a/tags/list', 'GET');
    expect((await call(brief, '/v2/a/tags/list', { headers: bearer(old) })).status).toBe(401);
  });
});
