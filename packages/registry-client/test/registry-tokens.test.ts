import { execFileSync } from 'node:child_process';
import { randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseReference } from '@gantry/image-spec';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';
import { type DebianRegistry, program, startDebianRegistry } from './debian-registry.js';
import { collect, describeBlob, noise } from './scripted-server.js';

const openssl = '/usr/bin/openssl';
const missing = [program, openssl].filter((path) => !existsSync(path));
const service = 'registry.test';
const issuer = 'tokens.test';

const login = { username: 'ann', password: 'hunter2' };

/** What a token service was asked. */
interface Asked {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly user: string | undefined;
}

/** Signs what the asker may do: anybody may pull below `public/`, ann everything. The registry checks signature, service, time and scope. */
class TokenService {
  readonly asked: Asked[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), 'gantry-tokens-'));
  readonly #key = join(this.folder, 'key.pem');
  readonly certificate = join(this.folder, 'certificate.pem');
  readonly #server: Server;

  constructor() {
    const subject = ['-subj', '/CN=tokens.test', '-days', '1'];
    const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', this.#key, '-out', this.certificate];
    execFileSync(openssl, ['req', '-x509', ...made, ...subject], { stdio: 'ignore' });
    this.#server = createServer((request, response) => {
      text(request).then(
        (body) => response.end(this.#answer(request, body)),
        (reason: unknown) => response.destroy(reason as Error),
      );
    });
  }

  #answer({ method = '', url = '/', headers }: IncomingMessage, body: string): string {
    // RFC 6749: an identity token is posted as a refresh token.
    const form = method === 'POST' ? new URLSearchParams(body) : new URL(url, 'http://tokens.test').searchParams;
    const [, basic = ''] = /^Basic (.*)$/.exec(headers.authorization ?? '') ?? [];
    const known = form.get('refresh_token') === 'ann-always' || atob(basic) === 'ann:hunter2';
    const scopes = form.getAll('scope').flatMap((scope) => scope.split(' '));
    this.asked.push({ method, scopes, user: known ? 'ann' : undefined });
    const token = this.#token(scopes, known);
    return JSON.stringify(method === 'POST' ? { access_token: token } : { token });
  }

  async listen(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #token(scopes: readonly string[], known: boolean): string {
    const access = scopes.map((scope) => {
      const [type = '', name = '', actions = ''] = scope.split(':');
      const open = name.startsWith('public/') ? ['pull'] : [];
      return { type, name, actions: actions.split(',').filter((action) => known || open.includes(action)) };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer,
      aud: service,
      sub: '',
      exp: now + 60,
      nbf: now - 5,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const chain = readFileSync(this.certificate, 'utf8').replace(/-----.*-----|\n/g, '');
    const parts = [{ typ: 'JWT', alg: 'RS256', x5c: [chain] }, claims];
    const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), readFileSync(this.#key)).toString('base64url')}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.folder, { recursive: true });
  }
}

describe.skipIf(missing.length > 0)(
  `tokens that a registry checks (needs ${missing.join(', ') || 'what is here'})`,
  () => {
    let tokens: TokenService;
    let registry: DebianRegistry;
    beforeAll(async () => {
      tokens = new TokenService();
      await tokens.listen();
      const realm = `http://${tokens.host}/token`;
      registry = await startDebianRegistry(() => ({
        token: { realm, service, issuer, rootcertbundle: tokens.certificate },
      }));
    });
    afterAll(async () => {
      await registry.stop();
      await tokens.close();
    });
    beforeEach(() => {
      tokens.asked.length = 0;
    });

    const client = (options: RegistryClientOptions = {}) =>
      createRegistryClient({ insecure: [tokens.host], ...options });
    const repository = (name: string) => parseReference(`${registry.host}/${name}:1`);
    const content = noise(100_000);
    const blob = describeBlob(content);
    const as = (credentials: typeof login | { identityToken: string }) =>
      client({ credentials: new Map([[registry.host, credentials]]) });

    it('let in who has the login for as much as a call needs, and are used again', async () => {
      const ann = as(login);
      const app = repository('team/app');
      await ann.putBlob(app, blob, content);
      expect((await collect(ann.getBlob(app, blob))).equals(content)).toBe(true);
      for (const { user, scopes } of tokens.asked.splice(0)) {
        expect(user).toBe('ann');
        expect(scopes).toEqual([expect.stringMatching(/^repository:team\/app:(pull|push,pull|pull,push)$/)]);
      }
      const more = noise(1000);
      await ann.putBlob(app, describeBlob(more), more);
      await collect(ann.getBlob(app, describeBlob(more)));
      expect(tokens.asked).toEqual([]);
    });

    it('are got by an identity token, too', async () => {
      await as({ identityToken: 'ann-always' }).putBlob(repository('team/other'), blob, content);
      expect(tokens.asked.map(({ method, user }) => [method, user])).toContainEqual(['POST', 'ann']);
    });

    it('let anybody pull what is for all, push nothing, and see nothing else', async () => {
      await as(login).putBlob(repository('public/app'), blob, content);
      const anybody = client();
      expect((await collect(anybody.getBlob(repository('public/app'), blob))).equals(content)).toBe(true);
      const refused = { code: 'UNAUTHORIZED' };
      const more = noise(1000);
      await expect(anybody.putBlob(repository('public/app'), describeBlob(more), more)).rejects.toMatchObject(refused);
      await expect(anybody.hasBlob(repository('team/app'), blob.digest)).rejects.toMatchObject(refused);
      await expect(
        as({ ...login, password: 'wrong' }).hasBlob(repository('team/app'), blob.digest),
      ).rejects.toMatchObject(refused);
    });

    it('let a repository have a blob of another, for which both are asked for', async () => {
      await as(login).putBlob(repository('team/from'), blob, content);
      tokens.asked.length = 0;
      expect(await as(login).mountBlob(repository('team/to'), blob.digest, repository('team/from'))).toBe(true);
      const asked = tokens.asked.flatMap(({ scopes }) => scopes).join(' ');
      expect(asked).toMatch(/repository:team\/to:(pull,push|push,pull)/);
      expect(asked).toContain('repository:team/from:pull');
    });
  },
);
