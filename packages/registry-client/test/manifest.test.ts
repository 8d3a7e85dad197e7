import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient } from '../src/index.js';
import { digestOf, type Script, ScriptedServer } from './scripted-server.js';

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';

const descriptor = {
  mediaType: 'application/vnd.oci.image.config.v1+json',
  digest: digestOf(Buffer.from('{}')),
  size: 2,
};
const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: descriptor, layers: [] }));
const digest = digestOf(bytes);

let server: ScriptedServer;
afterEach(() => server[Symbol.asyncDispose]());

const client = () => createRegistryClient({ retries: { baseMs: 1 }, timeouts: { progressMs: 500 } });
const serve =
  (body: Uint8Array, headers: Readonly<Record<string, string>>): Script =>
  (_, response) =>
    void response.writeHead(200, headers).end(body);

describe('getManifest', () => {
  it('fetches by tag and computes the digest itself', async () => {
    server = await ScriptedServer.start(
      serve(bytes, { 'content-type': ociManifest, 'docker-content-digest': digestOf(Buffer.of(1)) }),
    );
    const manifest = await client().getManifest(server.repository('1.2'));
    expect(server.seen).toEqual(['GET /v2/team/app/manifests/1.2']);
    expect(server.requests[0]?.headers.accept?.split(', ')).toContain('application/vnd.oci.image.index.v1+json');
    expect(manifest.descriptor).toEqual({ mediaType: ociManifest, digest, size: bytes.length });
    expect(Buffer.from(manifest.bytes).equals(bytes)).toBe(true);
  });

  it('asks by digest if there is a tag too, and verifies it', async () => {
    server = await ScriptedServer.start(serve(bytes, { 'content-type': `${ociManifest}; charset=utf-8` }));
    const reference = server.repository('1.2');
    expect((await client().getManifest({ ...reference, digest })).descriptor.mediaType).toBe(ociManifest);
    expect(server.seen).toEqual([`GET /v2/team/app/manifests/${digest}`]);
    await expect(client().getManifest({ ...reference, digest: digestOf(Buffer.of(1)) })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });

  it('verifies a sha512 digest with sha512', async () => {
    server = await ScriptedServer.start(serve(bytes, { 'content-type': ociManifest }));
    const sha512 = digestOf(bytes, 'sha512');
    expect((await client().getManifest({ ...server.repository(), digest: sha512 })).descriptor.digest).toBe(sha512);
  });

  it('finds the media type in the document if the header does not tell', async () => {
    server = await ScriptedServer.start(serve(bytes, { 'content-type': 'application/json' }));
    expect((await client().getManifest(server.repository())).descriptor.mediaType).toBe(ociManifest);
  });

  it('refuses a compressed manifest', async () => {
    server = await ScriptedServer.start(
      serve(gzipSync(bytes), { 'content-type': ociManifest, 'content-encoding': 'gzip' }),
    );
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
  });

  it('fetches again when the connection broke in the body', async () => {
    server = await ScriptedServer.start((_, response) => {
      response.writeHead(200, { 'content-type': ociManifest, 'content-length': bytes.length });
      if (server.requests.length > 1) response.end(bytes);
      else response.write(bytes.subarray(0, 10), () => response.destroy());
    });
    expect((await client().getManifest(server.repository())).descriptor.digest).toBe(digest);
  });

  it('tells what is not there', async () => {
    const body = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest\r\nunknown' }] });
    server = await ScriptedServer.start((_, response) => void response.writeHead(404).end(body));
    await expect(client().getManifest(server.repository())).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('404 Not Found: MANIFEST_UNKNOWN manifest unknown'),
      details: { status: 404, registry: server.host, errors: [{ code: 'MANIFEST_UNKNOWN' }] },
    });
    expect(server.requests).toHaveLength(1);
  });

  it.each(['<html>not json</html>', '{"errors":{"code":1}}', '[null]', '{"errors":[null,7,{"code":[]}]}'])(
    'survives an error body like %s',
    async (body) => {
      server = await ScriptedServer.start((_, response) => void response.writeHead(418).end(body));
      await expect(client().getManifest(server.repository())).rejects.toMatchObject({
        code: 'REGISTRY_ERROR',
        details: { status: 418 },
      });
    },
  );
});

describe('putManifest', () => {
  it('uploads under the tag and resolves with the digest', async () => {
    const bodies: Buffer[] = [];
    server = await ScriptedServer.start(async (_, response, raw) => {
      for await (const chunk of raw) bodies.push(chunk as Buffer);
      response.writeHead(201).end();
    });
    const manifest = { bytes, descriptor: { mediaType: dockerManifest, digest, size: bytes.length } };
    expect(await client().putManifest(server.repository('1.2'), manifest)).toBe(digest);
    expect(server.seen).toEqual(['PUT /v2/team/app/manifests/1.2']);
    expect(server.requests[0]?.headers).toMatchObject({
      'content-type': dockerManifest,
      'content-length': String(bytes.length),
    });
    expect(Buffer.concat(bodies).equals(bytes)).toBe(true);
  });

  it('refuses bytes of another digest before it asks', async () => {
    server = await ScriptedServer.start(serve(bytes, {}));
    const manifest = { bytes: Buffer.from('{}'), descriptor: { mediaType: dockerManifest, digest, size: 2 } };
    await expect(client().putManifest(server.repository(), manifest)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(server.requests).toHaveLength(0);
  });
});
