import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MediaType, sha256 } from '@gantry/image-spec';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startRegistry, type TestRegistry } from '../src/index.js';
import { call, errorCode, pushBlob } from './http.js';

const absent = sha256(Buffer.from('absent'));

describe.each(['memory', 'folder'])('a registry that keeps its content in %s', (kind) => {
  let registry: TestRegistry;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gantry-registry-'));
    registry = await startRegistry(kind === 'folder' ? { folder } : {});
  });
  afterEach(async () => {
    await registry.close();
    await rm(folder, { recursive: true });
  });

  it('says that it speaks version 2 of the protocol', async () => {
    const answer = await call(registry, '/v2/');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
  });

  it('gives back a blob that was pushed in one piece, whole and in parts', async () => {
    const bytes = randomBytes(700_000);
    const digest = await pushBlob(registry, 'some/name', bytes);
    const path = `/v2/some/name/blobs/${digest}`;
    const whole = await call(registry, path);
    expect(whole.body.equals(bytes)).toBe(true);
    expect(whole.headers.get('docker-content-digest')).toBe(digest);

    const head = await call(registry, path, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), head.body.length]).toEqual([200, '700000', 0]);

    const part = await call(registry, path, { headers: { range: 'bytes=300000-300009' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 300000-300009/700000']);
    expect(part.body.equals(bytes.subarray(300_000, 300_010))).toBe(true);

    const rest = await call(registry, path, { headers: { range: 'bytes=699999-' } });
    expect(rest.body.equals(bytes.subarray(699_999))).toBe(true);
    const beyond = await call(registry, path, { headers: { range: 'bytes=700000-' } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */700000']);
  });

  it('takes a blob in chunks and tells how far it is', async () => {
    const begun = await call(registry, '/v2/a/blobs/uploads/', { method: 'POST' });
    const place = begun.headers.get('location') ?? '';
    const first = await call(registry, place, { method: 'PATCH', body: 'hello ' });
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-5']);
    const gap = await call(registry, place, { method: 'PATCH', body: 'x', headers: { 'content-range': '9-9' } });
    expect([gap.status, gap.headers.get('range')]).toEqual([416, '0-5']);
    await call(registry, place, { method: 'PATCH', body: 'wor', headers: { 'content-range': '6-8' } });
    expect((await call(registry, place)).headers.get('range')).toBe('0-8');
    const digest = sha256(Buffer.from('hello world'));
    const done = await call(registry, `${place}?digest=${digest}`, { method: 'PUT', body: 'ld' });
    expect([done.status, done.headers.get('location')]).toEqual([201, `/v2/a/blobs/${digest}`]);
    expect((await call(registry, `/v2/a/blobs/${digest}`)).body.toString()).toBe('hello world');
    expect((await call(registry, place)).status).toBe(404);
  });

  it('takes a blob in a single request', async () => {
    const digest = sha256(Buffer.from('single'));
    const done = await call(registry, `/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: 'single' });
    expect(done.status).toBe(201);
    expect((await call(registry, `/v2/a/blobs/${digest}`)).body.toString()).toBe('single');
  });

  it('refuses content that does not have the digest it is pushed under', async () => {
    const begun = await call(registry, '/v2/a/blobs/uploads/', { method: 'POST' });
    const path = `${begun.headers.get('location')}?digest=${absent}`;
    const refused = await call(registry, path, { method: 'PUT', body: 'something else' });
    expect([refused.status, errorCode(refused)]).toEqual([400, 'DIGEST_INVALID']);
    expect((await call(registry, `/v2/a/blobs/${absent}`)).status).toBe(404);
  });

  it('mounts a blob from another repository, or begins an upload where it cannot', async () => {
    const digest = await pushBlob(registry, 'from', Buffer.from('shared'));
    expect((await call(registry, `/v2/to/blobs/${digest}`)).status).toBe(404);
    const mounted = await call(registry, `/v2/to/blobs/uploads/?mount=${digest}&from=from`, { method: 'POST' });
    expect(mounted.status).toBe(201);
    expect((await call(registry, `/v2/to/blobs/${digest}`)).body.toString()).toBe('shared');
    const begun = await call(registry, `/v2/to/blobs/uploads/?mount=${absent}&from=from`, { method: 'POST' });
    expect([begun.status, begun.headers.has('location')]).toEqual([202, true]);
  });

  it('takes a manifest once all that it names is there', async () => {
    const { path, put, manifest } = await preparedManifest(registry);
    const early = await put({ ...manifest, layers: [{ ...manifest.config, digest: absent }] });
    expect([early.status, errorCode(early)]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
    const taken = await put(manifest);
    expect(taken.status).toBe(201);
    const digest = taken.headers.get('docker-content-digest');
    const byTag = await call(registry, path);
    expect(byTag.headers.get('content-type')).toBe(MediaType.ociManifest);
    expect(sha256(byTag.body)).toBe(digest);
    expect((await call(registry, `/v2/a/manifests/${digest}`)).body.equals(byTag.body)).toBe(true);
    expect((await call(registry, path, { method: 'HEAD' })).headers.get('docker-content-digest')).toBe(digest);
  });

  it.each([
    ['no JSON', '{', MediaType.ociManifest],
    ['another media type inside', JSON.stringify({ mediaType: MediaType.dockerManifest }), MediaType.ociManifest],
  ])('refuses a manifest with %s', async (_, body, type) => {
    const refused = await call(registry, '/v2/a/manifests/t', {
      method: 'PUT',
      body,
      headers: { 'content-type': type },
    });
    expect([refused.status, errorCode(refused)]).toEqual([400, 'MANIFEST_INVALID']);
  });

  it('lists tags in order and in pages', async () => {
    for (const tag of ['c', 'a', 'b']) await registry.addManifest('a', tag, MediaType.ociManifest, Buffer.from(tag));
    expect(JSON.parse((await call(registry, '/v2/a/tags/list')).body.toString())).toEqual({
      name: 'a',
      tags: ['a', 'b', 'c'],
    });
    const page = await call(registry, '/v2/a/tags/list?n=2');
    expect(JSON.parse(page.body.toString()).tags).toEqual(['a', 'b']);
    const next = /<(.*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
    const last = await call(registry, next);
    expect([JSON.parse(last.body.toString()).tags, last.headers.has('link')]).toEqual([['c'], false]);
  });

  it('lists repositories in pages', async () => {
    for (const name of ['b', 'a', 'a/c']) await registry.addBlob(name, Buffer.from('x'));
    const page = await call(registry, '/v2/_catalog?n=2');
    expect(JSON.parse(page.body.toString())).toEqual({ repositories: ['a', 'a/c'] });
    const last = await call(registry, /<(.*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '');
    expect([JSON.parse(last.body.toString()).repositories, last.headers.has('link')]).toEqual([['b'], false]);
  });

  it('deletes a tag, and a manifest with its tags', async () => {
    const digest = await registry.addManifest('a', 'x', MediaType.ociManifest, Buffer.from('{}'));
    await registry.addManifest('a', 'y', MediaType.ociManifest, Buffer.from('{}'));
    const status = async (target: string, method = 'GET') =>
      (await call(registry, `/v2/a/manifests/${target}`, { method })).status;
    expect(await status('x', 'DELETE')).toBe(202);
    expect([await status('x'), await status('y'), await status(digest)]).toEqual([404, 200, 200]);
    expect(await status(digest, 'DELETE')).toBe(202);
    expect([await status('y'), await status(digest), await status(digest, 'DELETE')]).toEqual([404, 404, 404]);
  });

  it('lists the referrers of a manifest, all or of one type', async () => {
    const subject = await registry.addManifest('a', 'x', MediaType.ociManifest, Buffer.from('{}'));
    const manifest = (artifactType: string) => ({
      artifactType,
      config: { mediaType: 'application/x', digest: absent, size: 0 },
      subject: { mediaType: MediaType.ociManifest, digest: subject, size: 2 },
      annotations: { made: 'here' },
    });
    for (const type of ['a/1', 'a/2']) {
      await registry.addManifest(
        'a',
        type[2] ?? '',
        MediaType.ociManifest,
        Buffer.from(JSON.stringify(manifest(type))),
      );
    }
    await registry.addManifest('a', 'broken', MediaType.ociManifest, Buffer.from('{'));
    const all = await call(registry, `/v2/a/referrers/${subject}`);
    expect(all.headers.get('content-type')).toBe(MediaType.ociIndex);
    expect(JSON.parse(all.body.toString()).manifests).toHaveLength(2);
    const one = await call(registry, `/v2/a/referrers/${subject}?artifactType=a/2`);
    expect(one.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(JSON.parse(one.body.toString()).manifests).toMatchObject([
      { artifactType: 'a/2', mediaType: MediaType.ociManifest, annotations: { made: 'here' } },
    ]);
    expect(JSON.parse((await call(registry, `/v2/a/referrers/${absent}`)).body.toString()).manifests).toEqual([]);
    await using older = await startRegistry({ referrers: false });
    expect((await call(older, `/v2/a/referrers/${subject}`)).status).toBe(404);
  });

  it('answers what it does not have with the error of the protocol', async () => {
    expect(errorCode(await call(registry, '/v2/a/manifests/t'))).toBe('NAME_UNKNOWN');
    await registry.addBlob('a', Buffer.from('x'));
    expect(errorCode(await call(registry, '/v2/a/manifests/t'))).toBe('MANIFEST_UNKNOWN');
    expect(errorCode(await call(registry, `/v2/a/blobs/${absent}`))).toBe('BLOB_UNKNOWN');
    expect((await call(registry, '/v2/a/blobs/sha256:short')).status).toBe(400);
    expect((await call(registry, '/v2/A/manifests/t')).status).toBe(404);
    expect((await call(registry, '/elsewhere')).status).toBe(404);
  });

  it('keeps a log of the requests', async () => {
    await call(registry, '/v2/', { headers: { 'x-test': 'here' } });
    await call(registry, '/v2/a/tags/list?n=1');
    expect(registry.requests).toMatchObject([
      { method: 'GET', path: '/v2/', status: 200, headers: { 'x-test': 'here' } },
      { method: 'GET', path: '/v2/a/tags/list?n=1', status: 404 },
    ]);
  });
});

it('has all of its folder again when it is started anew', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-registry-'));
  try {
    await using first = await startRegistry({ folder });
    const { path, put, manifest } = await preparedManifest(first);
    await put(manifest);
    const before = await call(first, path);
    await first.close();
    await using second = await startRegistry({ folder });
    const after = await call(second, path);
    expect([after.status, after.body.equals(before.body)]).toEqual([200, true]);
    expect((await call(second, `/v2/a/blobs/${manifest.config.digest}`)).body.toString()).toBe('{}');
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('listens where it is told to, or says that it cannot', async () => {
  await using first = await startRegistry();
  const port = Number(first.address.split(':')[1]);
  await expect(startRegistry({ port })).rejects.toMatchObject({ code: 'SYSTEM' });
  await first.close();
  await using second = await startRegistry({ port });
  expect(second.address).toBe(first.address);
});

/** A manifest whose config has been pushed, and a way to push the manifest. */
async function preparedManifest(registry: TestRegistry) {
  const digest = await pushBlob(registry, 'a', Buffer.from('{}'));
  const config = { mediaType: MediaType.ociConfig, digest, size: 2 };
  const path = '/v2/a/manifests/latest';
  const headers = { 'content-type': MediaType.ociManifest };
  const put = (document: unknown) => call(registry, path, { method: 'PUT', body: JSON.stringify(document), headers });
  return { path, put, manifest: { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers: [] } };
}
