import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { isGantryError } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withoutDescriptors } from '../../../test/support/without-descriptors.js';
import { createRegistryClient } from '../src/client.js';
import { askHelper } from '../src/docker-config/credential-helper.js';
import { dockerConfigCredentials } from '../src/index.js';
import { ScriptedServer } from './scripted-server.js';

const secret = 'hunter2-and-more';
const encoded = Buffer.from(`ann:${secret}`).toString('base64');

let home: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'gantry-logins-'));
  env = {
    HOME: home,
    XDG_RUNTIME_DIR: join(home, 'run'),
    PATH: `${join(home, 'bin')}${delimiter}${process.env['PATH']}`,
  };
});
afterEach(() => rm(home, { recursive: true }));

async function put(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(join(home, path)), { recursive: true });
  await writeFile(join(home, path), typeof content === 'string' ? content : JSON.stringify(content));
}

const docker = (config: unknown) => put('.docker/config.json', config);
const login = (registry: string, repository?: string, signal?: AbortSignal) =>
  dockerConfigCredentials({ env, helperMs: 5000 })(registry, {
    ...(repository !== undefined && { repository }),
    ...(signal && { signal }),
  });

/** A credential helper: a shell script that gets the server's name as `$server`. */
async function helper(name: string, script: string): Promise<void> {
  await put(`bin/docker-credential-${name}`, `#!/bin/sh\n[ "$1" = get ] || exit 9\nserver=$(cat)\n${script}\n`);
  await chmod(join(home, `bin/docker-credential-${name}`), 0o755);
}

const answer = (username: string, password: string) =>
  `printf '{"ServerURL":"%s","Username":"${username}","Secret":"${password}"}' "$server"`;

describe('auths', () => {
  it('gives what docker login wrote', async () => {
    await docker({ auths: { 'registry.example:5000': { auth: encoded } }, HttpHeaders: { a: 'b' } });
    expect(await login('registry.example:5000')).toEqual({ username: 'ann', password: secret });
    expect(await login('registry.example')).toBeUndefined();
  });

  it.each([
    [
      'a password with colons and padding',
      { auth: Buffer.from('ann:a:b\0\0').toString('base64') },
      { username: 'ann', password: 'a:b' },
    ],
    ['plain fields', { username: 'ann', password: 'x' }, { username: 'ann', password: 'x' }],
    [
      'an identity token',
      { auth: Buffer.from('ann:').toString('base64'), identitytoken: 'refresh' },
      { username: 'ann', password: '', identityToken: 'refresh' },
    ],
    ['a registry token', { registrytoken: 'bearer' }, { registryToken: 'bearer' }],
    ['nothing, because it is with a helper', {}, undefined],
    ['nothing but an address', { email: 'a@b' }, undefined],
  ])('reads %s', async (_, auth, expected) => {
    await docker({ auths: { 'r.example': auth } });
    expect(await login('r.example')).toEqual(expected);
  });

  it.each(['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io', 'https://docker.io'])(
    'knows Docker Hub as %s',
    async (key) => {
      await docker({ auths: { [key]: { auth: encoded } } });
      expect(await login('docker.io', 'library/redis')).toMatchObject({ username: 'ann' });
    },
  );

  it.each([
    ['https://r.example', true],
    ['http://r.example/v2/', true],
    ['R.example/', true],
    ['https://r.example/v1/', true],
    ['r.example:443', false],
    ['r.example.evil', false],
    ['evil-r.example', false],
    ['r.example/other', false],
    ['r.example/tea', false],
    ['r.example/team', true],
    ['r.example/team/app', true],
    ['r.example/team/app/more', false],
  ])('the key %s covers r.example/team/app: %s', async (key, covers) => {
    await docker({ auths: { [key]: { auth: encoded } } });
    expect((await login('r.example', 'team/app')) !== undefined).toBe(covers);
  });

  it('prefers the key that says most', async () => {
    const auth = (name: string) => ({ username: name, password: 'x' });
    const auths = { 'r.example/team': auth('team'), 'r.example': auth('all'), 'r.example/team/app': auth('app') };
    await docker({ auths });
    expect(await login('r.example', 'team/app')).toMatchObject({ username: 'app' });
    expect(await login('r.example', 'team/apple')).toMatchObject({ username: 'team' });
    expect(await login('r.example')).toMatchObject({ username: 'all' });
  });

  it('is not fooled by a registry called __proto__', async () => {
    await docker('{"auths":{"__proto__":{"username":"x","password":"y"}}}');
    expect(await login('r.example')).toBeUndefined();
  });
});

describe('files', () => {
  it('are looked for where docker and podman put them, in that order', async () => {
    const named = (name: string) => ({ auths: { 'r.example': { username: name, password: 'x' } } });
    expect(await login('r.example')).toBeUndefined();
    await put('.config/containers/auth.json', named('config'));
    expect(await login('r.example')).toMatchObject({ username: 'config' });
    await put('run/containers/auth.json', named('runtime'));
    expect(await login('r.example')).toMatchObject({ username: 'runtime' });
    env['REGISTRY_AUTH_FILE'] = join(home, 'named.json');
    await put('named.json', named('named'));
    expect(await login('r.example')).toMatchObject({ username: 'named' });
    await docker(named('docker'));
    expect(await login('r.example')).toMatchObject({ username: 'docker' });
    env['DOCKER_CONFIG'] = join(home, 'elsewhere');
    await put('elsewhere/config.json', named('elsewhere'));
    expect(await login('r.example')).toMatchObject({ username: 'elsewhere' });
    await put('one.json', named('one'));
    const one = dockerConfigCredentials({ path: join(home, 'one.json'), env });
    expect(await one('r.example', {})).toMatchObject({ username: 'one' });
  });

  it.each([
    ['no JSON', `{"auths":{"r.example":{"auth":"${encoded}"`, '$'],
    ['a string for an entry', `{"auths":{"r.example":"${encoded}"}}`, '$.auths["r.example"]'],
    ['no base 64', `{"auths":{"r.example":{"auth":"ann:${secret}"}}}`, '$.auths["r.example"].auth'],
    [
      'no colon',
      `{"auths":{"r.example":{"auth":"${Buffer.from(secret).toString('base64')}"}}}`,
      '$.auths["r.example"].auth',
    ],
    [
      'a number for a token',
      `{"auths":{"r.example":{"auth":"${encoded}","identitytoken":7}}}`,
      '$.auths["r.example"].identitytoken',
    ],
    ['one key twice', `{"auths":{"r.example":{"auth":"${encoded}","auth":"${encoded}"}}}`, '$.auths'],
    ['a list', `["${encoded}"]`, '$'],
    ['a number for a store', '{"credsStore":7}', '$.credsStore'],
  ])('with %s are refused, and nothing of them is told', async (_, text, path) => {
    await docker(text);
    const error = await login('r.example').then(
      () => expect.fail('did not fail'),
      (reason: unknown) => reason,
    );
    if (!isGantryError(error, 'INVALID_DOCUMENT')) throw error;
    expect(error.details['path']).toMatch(new RegExp(`^${path.replace(/[$.[\]]/g, '\\$&')}`));
    expect(error.message).toContain(join(home, '.docker/config.json'));
    expectNoSecret(error);
  });

  it('that are folders are refused', async () => {
    await mkdir(join(home, '.docker/config.json'), { recursive: true });
    await expect(login('r.example')).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
  });
});

describe('credential helpers', () => {
  it('are asked for the server, and asked once for many calls', async () => {
    await helper('one', `echo "$server" >> ${home}/asked; ${answer('ann', secret)}`);
    await docker({ credHelpers: { 'r.example': 'one' }, auths: { 'r.example': { username: 'other', password: 'x' } } });
    const source = dockerConfigCredentials({ env });
    const logins = await Promise.all([1, 2, 3].map(() => source('r.example', { repository: 'a/b' })));
    expect(new Set(logins.map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify({ username: 'ann', password: secret })]),
    );
    await source('r.example', {});
    expect(await readFile(join(home, 'asked'), 'utf8')).toBe('r.example\n');
    expect(await source('s.example', {})).toBeUndefined();
  });

  it('are the store for all registries; Docker Hub has its old name there', async () => {
    await helper('all', 'printf \'{"Username":"%s","Secret":"x"}\' "$server"');
    await docker({ credsStore: 'all', auths: { 'https://index.docker.io/v1/': {} } });
    expect(await login('docker.io', 'library/redis')).toMatchObject({ username: 'https://index.docker.io/v1/' });
    expect(await login('localhost:5000')).toMatchObject({ username: 'localhost:5000' });
  });

  it('that give a token give an identity token', async () => {
    await helper('token', answer('<token>', secret));
    await docker({ credsStore: 'token' });
    expect(await login('r.example')).toEqual({ identityToken: secret });
  });

  it('that know nothing leave it to the file', async () => {
    await helper('none', 'echo "credentials not found in native keychain"; exit 1');
    await docker({ credsStore: 'none', auths: { 'r.example': { username: 'file', password: 'x' } } });
    expect(await login('r.example')).toMatchObject({ username: 'file' });
    expect(await login('s.example')).toBeUndefined();
  });

  it.each([
    ['fails', `echo ${secret}; echo ${secret} >&2; exit 3`, 'status 3'],
    ['prints no JSON', `echo '{"Secret":"${secret}'`, 'not JSON'],
    ['leaves out the name', `printf '{"Secret":"${secret}"}'`, 'no login'],
    ['prints without end', `while :; do echo ${secret}; done`, '65536 bytes'],
    ['dies', `echo ${secret}; kill -9 $$`, 'status null'],
  ])('that %s are an error, and nothing of it is told', async (_, script, reason) => {
    await helper('bad', script);
    await docker({ credsStore: 'bad', auths: { 'r.example': { auth: encoded } } });
    const error = await login('r.example').then(
      () => expect.fail('did not fail'),
      (failure: unknown) => failure,
    );
    if (!isGantryError(error, 'UNAUTHORIZED')) throw error;
    expect(error.message).toContain(reason);
    expectNoSecret(error);
  });

  it.each(['../bad', 'a b', 'a;b', ''.padEnd(3, '/'), '$(x)'])('with the name %j are never run', async (name) => {
    await docker({ credsStore: name });
    await expect(login('r.example')).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringContaining('name'),
    });
  });

  it('that are not there are named', async () => {
    await docker({ credsStore: 'absent' });
    await expect(login('r.example')).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringMatching(/"absent".*not installed/),
    });
  });

  it('are killed at their deadline with all that they started', async () => {
    await helper('slow', `sleep 1000 & echo $! > ${home}/pid; wait`);
    await docker({ credsStore: 'slow' });
    const source = dockerConfigCredentials({ env, helperMs: 300 });
    await expect(source('r.example', {})).rejects.toMatchObject({ message: expect.stringContaining('300 ms') });
    await expectGone(Number(await readFile(join(home, 'pid'), 'utf8')));
  });

  it('are told of as failed where this process is out of descriptors', async () => {
    const signal = new AbortController().signal;
    const request = { helper: 'any', server: 'r.example', env, deadlineMs: 5000, signal };
    await withoutDescriptors(() =>
      expect(askHelper(request)).rejects.toMatchObject({ message: expect.stringContaining('EMFILE') }),
    );
  });

  it('are killed when the call that waits for them is aborted, and not while another waits', async () => {
    await helper('slow', `sleep 1000 & echo $! > ${home}/pid; wait`);
    await docker({ credsStore: 'slow' });
    const client = createRegistryClient({ credentials: dockerConfigCredentials({ env }) });
    const [first, second] = [new AbortController(), new AbortController()];
    const failures = [first, second].map(({ signal }) =>
      expect(client.ping('r.example', { signal })).rejects.toMatchObject({ code: 'ABORTED' }),
    );
    const pid = await expect
      .poll(() => readFile(join(home, 'pid'), 'utf8').catch(() => ''))
      .toMatch(/\d+\n/)
      .then(async () => Number(await readFile(join(home, 'pid'), 'utf8')));
    first.abort();
    await failures[0];
    expect(process.kill(pid, 0)).toBe(true);
    second.abort();
    await failures[1];
    await expectGone(pid);
  });
});

it('logs a client in', async () => {
  await using server = await ScriptedServer.start(({ headers }, response) => {
    if (headers.authorization === `Basic ${encoded}`) response.end();
    else response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
  });
  await docker({ auths: { [`${server.host}/team`]: { auth: encoded } } });
  const client = createRegistryClient({ credentials: dockerConfigCredentials({ env }) });
  expect(await client.hasBlob(server.repository(), `sha256:${'0'.repeat(64)}`)).toBe(true);
});

/** Neither message, details nor cause, however deep one looks. */
function expectNoSecret(error: unknown): void {
  const text = inspect(error, { depth: 20, showHidden: true });
  expect(text).not.toContain(secret);
  expect(text).not.toContain(encoded);
}

/** A process that nobody has waited for yet still has its number, and nothing else. */
async function expectGone(pid: number): Promise<void> {
  const state = async () => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    return /^State:\s+(\S)/m.exec(status)?.[1] ?? 'gone';
  };
  await expect.poll(state).toMatch(/^(gone|Z|X)$/);
}
