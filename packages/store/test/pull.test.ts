import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Digest, ImageStore, ProgressEvent, RegistryClient } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { collect } from './collect.js';
import { readLayout } from './layout-check.js';
import { RegistryServer } from './registry-server.js';
import { makeImage, makeIndex } from './test-image.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let root: string;
let server: RegistryServer;
let store: ImageStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  server = await RegistryServer.start();
  store = createImageStore({ root, registry: createRegistryClient({ retries: { attempts: 1 } }) });
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

function blobPath(digest: string): string {
  return join(store.layoutPath, 'blobs', ...digest.split(':'));
}

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };

describe('pull', () => {
  it('brings an image into a valid layout, and takes it from there the next time', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    expect(await store.get(reference)).toBeUndefined();

    const pulled = await store.pull(reference);
    expect(pulled).toMatchObject({ reference, digest: image.top.descriptor.digest, cached: false });
    expect(pulled.layers.map((layer) => layer.descriptor.digest)).toEqual(image.layers);
    expect((await readLayout(store.layoutPath)).get(reference)).toMatchObject(image.top.descriptor);
    expect(await readdir(join(root, 'ingest'))).toEqual([]);

    const asked = new Map(server.gets);
    const { cached, ...again } = await store.pull(reference);
    expect(cached).toBe(true);
    expect(again).toEqual(await store.get(reference));
    expect(server.gets).toEqual(asked);
  });

  it('takes one platform of an index, by the host or by name, and lists both', async () => {
    const [one, other] = [makeImage({ platform: amd64 }), makeImage({ platform: arm64 })];
    const reference = server.add('multi', 'latest', makeIndex([amd64, arm64], [one, other]));
    const first = await store.pull(reference, { platform: amd64 });
    expect(first.digest).toBe(one.top.descriptor.digest);
    await expect(stat(blobPath(other.top.descriptor.digest))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await store.get(reference, { platform: arm64 })).toBeUndefined();

    const second = await store.pull(reference, { platform: arm64 });
    expect(second.digest).toBe(other.top.descriptor.digest);
    expect((await collect(store.list())).map((image) => image.digest)).toEqual([first.digest, second.digest]);
    await expect(store.pull(reference, { platform: { os: 'linux', architecture: 's390x' } })).rejects.toMatchObject({
      code: 'NO_PLATFORM',
    });
  });

  it('refuses a single manifest of another platform than the one asked for', async () => {
    const reference = server.add('only', 'arm', makeImage({ platform: arm64 }));
    const asked = store.pull(reference, { platform: amd64 });
    await expect(asked).rejects.toMatchObject({ code: 'NO_PLATFORM' });
    expect(await store.get(reference)).toBeUndefined();
  });

  it('keeps Docker manifests byte for byte and sha512 blobs under sha512', async () => {
    const docker = makeImage({ docker: true });
    await store.pull(server.add('docker', 'v2', docker));
    expect(await readFile(blobPath(docker.top.descriptor.digest))).toEqual(Buffer.from(docker.top.bytes));

    const long = makeImage({ algorithm: 'sha512' });
    server.add('long', 'v2', long);
    const reference = `${server.host}/long@${long.top.descriptor.digest}`;
    expect((await store.pull(reference)).digest).toBe(long.top.descriptor.digest);
    expect((await readLayout(store.layoutPath)).size).toBe(2);
  });

  it('asks for the largest layer first', async () => {
    const image = makeImage({ layers: [20_000, 60_000, 40_000].map((size) => randomBytes(size)) });
    const reference = server.add('library/app', '1', image);
    const asked: string[] = [];
    server.onBlob = (digest) => void asked.push(digest);
    const registry = createRegistryClient();
    await createImageStore({ root, registry, maxConcurrentDownloads: 1 }).pull(reference);
    const [small, large, middle] = image.layers;
    expect(asked.slice(1)).toEqual([large, middle, small]);
  });

  it('asks the registry again when forced, and follows a tag that moved', async () => {
    const [old, young] = [makeImage(), makeImage()];
    const reference = server.add('moving', 'tag', old);
    await store.pull(reference);
    server.add('moving', 'tag', young);
    expect((await store.pull(reference)).digest).toBe(old.top.descriptor.digest);
    expect(await store.pull(reference, { force: true })).toMatchObject({
      digest: young.top.descriptor.digest,
      cached: false,
    });
    expect((await store.get(reference))?.digest).toBe(young.top.descriptor.digest);
    expect(Math.max(...server.blobGets())).toBe(1);
  });

  it.each(['removed', 'truncated', 'replaced by a link', 'overwritten (a manifest)'])(
    'fetches a blob again that was %s',
    async (fault) => {
      const image = makeImage();
      const reference = server.add('library/app', '1', image);
      await store.pull(reference);
      const victim = fault.endsWith('(a manifest)') ? image.top.descriptor.digest : (image.layers[1] as Digest);
      const path = blobPath(victim);
      if (fault === 'truncated') await truncate(path, 10);
      else if (fault.startsWith('overwritten')) await writeFile(path, Buffer.alloc(image.top.descriptor.size, 0x20));
      else await unlink(path);
      if (fault === 'replaced by a link') await symlink('/etc/hostname', path);

      const fresh = createImageStore({ root, registry: createRegistryClient() });
      expect(await fresh.get(reference)).toBeUndefined();
      expect(await fresh.pull(reference)).toMatchObject({ cached: false });
      await readLayout(store.layoutPath);
      expect((await fresh.pull(reference)).cached).toBe(true);
    },
  );

  it('treats a damaged reference file as absent and writes it anew', async () => {
    const reference = server.add('library/app', '1', makeImage());
    await store.pull(reference);
    const [name = ''] = await readdir(join(root, 'references'));
    await writeFile(join(root, 'references', name), '{"version":1,');
    expect(await store.get(reference)).toBeUndefined();
    expect((await store.pull(reference)).cached).toBe(false);
    expect(await store.get(reference)).toBeDefined();
  });

  it('reports progress that adds up', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    const events: ProgressEvent[] = [];
    await store.pull(reference, { onProgress: (event) => events.push(event) });
    expect(events[0]).toEqual({ type: 'resolving', reference });
    expect(events[1]).toMatchObject({ type: 'resolved', digest: image.top.descriptor.digest });
    for (const [digest, bytes] of image.blobs) {
      const total = bytes.byteLength;
      const own = events.filter((event) => 'total' in event && event.digest === digest);
      expect(own.at(-2)).toEqual({ type: 'fetching', digest, current: total, total });
      expect(own.at(-1)).toEqual({ type: 'fetched', digest, total, cached: false });
    }
  });

  it('does not follow the addresses that a manifest names', async () => {
    const image = makeImage({ urls: [`http://${server.host}/elsewhere`] });
    await store.pull(server.add('library/app', '1', image));
    expect([...server.gets.keys()]).not.toContain('/elsewhere');

    const reference = server.add('library/gone', '1', image);
    await rm(blobPath(image.layers[0] ?? ''));
    server.removeBlob('library/gone', image.layers[0] ?? '');
    await expect(store.pull(reference)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect([...server.gets.keys()]).not.toContain('/elsewhere');
  });

  it('never writes credentials to the disk', async () => {
    const reference = server.add('library/app', '1', makeImage());
    await store.pull(reference, { credentials: { username: 'someone', password: 'hush-hush-hush' } });
    const { status } = spawnSync('grep', ['-rq', 'hush-hush-hush', root]);
    expect(status).toBe(1);
  });
});

describe('a registry that lies', () => {
  /** Trusts what it is told: the registry client's own checks are out of the way. */
  function gullible(change: Partial<RegistryClient>): ImageStore {
    const client = createRegistryClient();
    const registry: RegistryClient = {
      ping: (...rest) => client.ping(...rest),
      getManifest: (...rest) => client.getManifest(...rest),
      getBlob: (...rest) => client.getBlob(...rest),
      hasBlob: (...rest) => client.hasBlob(...rest),
      blobSize: (...rest) => client.blobSize(...rest),
      putBlob: (...rest) => client.putBlob(...rest),
      putManifest: (...rest) => client.putManifest(...rest),
      ...change,
    };
    return createImageStore({ root, registry });
  }

  it.each([
    ['short', 'SIZE_MISMATCH', (bytes: Uint8Array) => [bytes.subarray(1)]],
    ['long', 'SIZE_MISMATCH', (bytes: Uint8Array) => [bytes, Buffer.from('x')]],
    ['altered', 'DIGEST_MISMATCH', (bytes: Uint8Array) => [Buffer.alloc(bytes.length)]],
  ])('leaves nothing of a blob that is %s', async (_, code, change) => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    const bad = image.layers[1] as Digest;
    const client = createRegistryClient();
    const lying = gullible({
      async *getBlob(repository, descriptor, options) {
        if (descriptor.digest === bad) yield* change(image.blobs.get(bad) as Uint8Array);
        else yield* client.getBlob(repository, descriptor, options);
      },
    });
    await expect(lying.pull(reference)).rejects.toMatchObject({ code });
    expect(await lying.get(reference)).toBeUndefined();
    await expect(stat(blobPath(bad))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(join(root, 'ingest'))).toEqual([]);
    expect((await readLayout(store.layoutPath)).size).toBe(0);
    expect((await store.pull(reference)).cached).toBe(false);
  });

  it('holds a manifest against the digest of the reference', async () => {
    const [wanted, other] = [makeImage(), makeImage()];
    server.add('library/app', '1', wanted);
    const lying = gullible({ getManifest: async () => other.top });
    const pull = lying.pull(`${server.host}/library/app@${wanted.top.descriptor.digest}`);
    await expect(pull).rejects.toMatchObject({ code: expect.stringMatching(/MISMATCH$/) });
  });

  it('is stopped by the registry client before, too', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    const bad = image.layers[0] as Digest;
    server.replaceBlob('library/app', bad, Buffer.alloc((image.blobs.get(bad) as Uint8Array).length));
    await expect(store.pull(reference)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
});

describe('readBlob', () => {
  it('streams a blob, and discards one that was damaged', async () => {
    const image = makeImage();
    await store.pull(server.add('library/app', '1', image));
    const digest = image.layers[0] as Digest;
    const content = image.blobs.get(digest) as Uint8Array;
    expect(Buffer.concat(await collect(store.readBlob(digest)))).toEqual(content);

    await writeFile(blobPath(digest), Buffer.alloc(content.length));
    await expect(collect(store.readBlob(digest))).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await expect(collect(store.readBlob(digest))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('takes nothing but a digest', () => {
    expect(() => store.readBlob('sha256:../../index.json')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

const hasSkopeo = spawnSync('skopeo', ['--version']).status === 0;

describe.skipIf(!hasSkopeo)('skopeo (skipped where it is not installed)', () => {
  const inspect = async (reference: string): Promise<unknown> => {
    const { stdout } = await promisify(execFile)('skopeo', ['inspect', `oci:${store.layoutPath}:${reference}`]);
    return JSON.parse(stdout);
  };

  it('inspects and copies what was pulled, with a Docker image beside it', async () => {
    const [single, multi] = [makeImage({ platform: amd64 }), makeImage({ platform: amd64 })];
    const index = makeIndex([amd64, arm64], [multi, makeImage({ platform: arm64 })]);
    const [first, second] = [server.add('library/app', 'latest', single), server.add('library/app', 'multi', index)];
    for (const reference of [first, second]) await store.pull(reference, { platform: amd64 });
    await store.pull(server.add('docker', 'v2', makeImage({ docker: true })));

    expect(await inspect(first)).toMatchObject({ Digest: single.top.descriptor.digest, Layers: single.layers });
    expect(await inspect(second)).toMatchObject({ Architecture: 'amd64', Layers: multi.layers });
    const copy = join(root, 'copy');
    await promisify(execFile)('skopeo', [
      'copy',
      '--insecure-policy',
      `oci:${store.layoutPath}:${first}`,
      `dir:${copy}`,
    ]);
    expect(await readFile(join(copy, 'manifest.json'))).toEqual(single.top.bytes);
  });
});
