import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Credentials, ErrorCode, ImageStore } from '@gantry/interface';
import { createRegistryClient, type RegistryClientOptions } from '@gantry/registry-client';
import { type AuthOptions, startRegistry, type TestRegistry } from '@gantry/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { serveImage } from './serve-image.js';
import { makeImage } from './test-image.js';

vi.setConfig({ testTimeout: 60_000 });

const login = { username: 'someone', password: 'secret' };
const image = makeImage();

let root: string;
let registry: TestRegistry;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
});

afterEach(async () => {
  await registry.close();
  await rm(root, { recursive: true });
});

function openStore(options: RegistryClientOptions = {}): ImageStore {
  return createImageStore({ root, registry: createRegistryClient({ retries: { attempts: 1 }, ...options }) });
}

/** A registry with the image, under its tag and its digest. */
async function serve(auth: AuthOptions): Promise<readonly string[]> {
  registry = await startRegistry({ auth });
  const byTag = await serveImage(registry, 'library/private', image);
  return [byTag, `${registry.address}/library/private@${image.top.descriptor.digest}`];
}

/** What a caller gets who asks for a check: whether it was there, or why not. */
async function ask(store: ImageStore, reference: string, credentials?: Credentials): Promise<boolean | ErrorCode> {
  try {
    return (await store.pull(reference, { checkAccess: true, ...(credentials && { credentials }) })).cached;
  } catch (error) {
    return (error as { code: ErrorCode }).code;
  }
}

describe.each<[string, AuthOptions]>([
  ['its own logins', { basic: login }],
  ['tokens', { bearer: { ...login, identityToken: 'refresh' } }],
])('checkAccess at a registry with %s', (_, auth) => {
  it.each([0, 1])(
    'gives what is cached to who has the login, and to nobody else (by tag, by digest: %#)',
    async (form) => {
      const reference = (await serve(auth))[form] ?? '';
      const store = openStore();
      const wrong = { ...login, password: 'wrong' };
      // Also while it is not there yet.
      expect(await ask(store, reference, wrong)).toBe('UNAUTHORIZED');
      expect(await ask(store, reference, login)).toBe(false);
      expect(await ask(store, reference, login)).toBe(true);
      expect(await ask(store, reference, wrong)).toBe('UNAUTHORIZED');
      expect(await ask(store, reference)).toBe('UNAUTHORIZED');
      expect(await ask(store, reference, login)).toBe(true);
    },
  );

  it('gives nothing while the registry cannot be asked', async () => {
    const [reference = ''] = await serve(auth);
    const store = openStore();
    await store.pull(reference, { credentials: login });
    await registry.close();
    expect(await ask(store, reference, login)).toBe('UNREACHABLE');
    expect((await store.pull(reference)).cached).toBe(true);
  });
});

describe('checkAccess with tokens', () => {
  it('gets a new one for who has the login, and takes none that has expired from who has not', async () => {
    const [reference = ''] = await serve({ bearer: { ...login, identityToken: 'refresh' } });
    const store = openStore();
    const refresh = { identityToken: 'refresh' };
    expect(await ask(store, reference, login)).toBe(false);
    expect(await ask(store, reference, refresh)).toBe(true);
    registry.revokeTokens();
    expect(await ask(store, reference)).toBe('UNAUTHORIZED');
    expect(await ask(store, reference, { identityToken: 'old' })).toBe('UNAUTHORIZED');
    expect(await ask(store, reference, refresh)).toBe(true);
    expect(await ask(store, reference, login)).toBe(true);
  });
});

describe('checkAccess with a mirror that gives to everybody', () => {
  it.each([0, 1])('asks the registry itself, cached or not (by tag, by digest: %#)', async (form) => {
    const reference = (await serve({ basic: login }))[form] ?? '';
    await using mirror = await startRegistry();
    await serveImage(mirror, 'library/private', image);
    const mirrors = new Map([[registry.address, [{ url: `http://${mirror.address}`, insecure: true }]]]);
    const store = openStore({ mirrors });
    expect(await ask(store, reference)).toBe('UNAUTHORIZED');
    expect(await ask(store, reference, login)).toBe(false);
    expect(await ask(store, reference)).toBe('UNAUTHORIZED');
    expect(await ask(store, reference, login)).toBe(true);
    // What there is to download comes from the mirror all the same.
    const blobs = (of: TestRegistry) => of.requests.filter(({ path }) => path.includes('/blobs/')).length;
    expect([blobs(registry), blobs(mirror) > 0]).toEqual([0, true]);
  });
});
