import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { MediaType, parseImageConfig, parseManifest, parseReference, sha256 } from '@gantry/image-spec';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BuiltImage, buildImage, type LayerEntry, pushImage, startRegistry } from '../src/index.js';
import { call } from './http.js';

const odd = 'name-\u00e9-'.padEnd(200, 'x');
const entries: readonly LayerEntry[] = [
  { path: 'dir', type: 'directory', mode: 0o2750, uid: 1000, gid: 2000 },
  { path: 'dir/file', type: 'file', content: 'content', mode: 0o4755, mtime: 86_400 },
  { path: 'dir/none', type: 'file', mode: 0 },
  { path: 'dir/link', type: 'hardlink', target: 'dir/file' },
  { path: 'soft', type: 'symlink', target: odd },
  { path: odd, type: 'file', content: 'long', uid: 3_000_000, gid: 4_000_000_000 },
  { path: 'null', type: 'character-device', mode: 0o666, major: 1, minor: 3 },
  { path: 'fifo', type: 'fifo' },
];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-image-test-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function layerOf(image: BuiltImage): Promise<Buffer> {
  const [layer] = image.layers;
  return layer ? bytesOf(image.read(layer.descriptor)) : Buffer.alloc(0);
}

describe('a layer', () => {
  it('is an archive that GNU tar reads as it was meant', async () => {
    await using image = await buildImage({ layers: [entries], gzip: false });
    const input = await layerOf(image);
    const args = ['--numeric-owner', '--utc', '--quoting-style=literal', '-tvf', '-'];
    const listing = execFileSync('tar', args, { input, env: { ...process.env, LC_ALL: 'C.UTF-8' } }).toString();
    expect(
      listing
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/\s+/)),
    ).toEqual([
      ['drwxr-s---', '1000/2000', '0', '1970-01-01', '00:00', 'dir'],
      ['-rwsr-xr-x', '0/0', '7', '1970-01-02', '00:00', 'dir/file'],
      ['----------', '0/0', '0', '1970-01-01', '00:00', 'dir/none'],
      ['hrw-r--r--', '0/0', '0', '1970-01-01', '00:00', 'dir/link', 'link', 'to', 'dir/file'],
      ['lrwxrwxrwx', '0/0', '0', '1970-01-01', '00:00', 'soft', '->', odd],
      ['-rw-r--r--', '3000000/4000000000', '4', '1970-01-01', '00:00', odd],
      ['crw-rw-rw-', '0/0', '1,3', '1970-01-01', '00:00', 'null'],
      ['prw-r--r--', '0/0', '0', '1970-01-01', '00:00', 'fifo'],
    ]);
    expect(execFileSync('tar', ['-xOf', '-', 'dir/file'], { input }).toString()).toBe('content');
  });

  it('holds extended attributes, binary ones, too', async () => {
    const capability = Uint8Array.from([1, 0, 0, 2, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    const xattrs = { 'user.text': 'val\u00fce', 'security.capability': capability };
    await using image = await buildImage({ layers: [[{ path: 'a', type: 'file', xattrs }]], gzip: false });
    // Python's tarfile reads PAX records by itself; what is no UTF-8 it gives as surrogates.
    const script = `
import sys, tarfile, io, json
for m in tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())):
    print(json.dumps([m.name, {k: v.encode('utf-8', 'surrogateescape').hex() for k, v in m.pax_headers.items()}]))`;
    const [name, records] = JSON.parse(
      execFileSync('python3', ['-c', script], { input: await layerOf(image) }).toString(),
    );
    expect([name, records]).toEqual([
      'a',
      {
        'SCHILY.xattr.security.capability': Buffer.from(capability).toString('hex'),
        'SCHILY.xattr.user.text': Buffer.from('val\u00fce').toString('hex'),
      },
    ]);
  });

  it('streams large files', async () => {
    const size = 30 * 2 ** 20;
    async function* content() {
      for (let count = 0; count < size / 2 ** 20; count += 1) yield Buffer.alloc(2 ** 20, count);
    }
    const layer = {
      async *entries() {
        yield { path: 'big', type: 'stream' as const, size, content: content() };
      },
    };
    await using image = await buildImage({ layers: [layer] });
    const archive = gunzipSync(await layerOf(image));
    expect(archive.length).toBe(512 + size + 1024);
    expect(image.layers[0]?.diffId).toBe(sha256(archive));
  });

  it('is refused if a stream is not as long as it says, and nothing is left', async () => {
    async function* content() {
      yield Buffer.from('abc');
    }
    const layer = {
      async *entries() {
        yield { path: 'big', type: 'stream' as const, size: 4, content: content() };
      },
    };
    vi.stubEnv('TMPDIR', folder);
    await expect(buildImage({ layers: [layer] })).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('is refused with a mode that is none', async () => {
    const layers: LayerEntry[][] = [[{ path: 'a', type: 'file', mode: 0o10000 }]];
    await expect(buildImage({ layers })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'mode' },
    });
  });
});

describe('an image', () => {
  it.each([
    ['oci' as const, MediaType.ociManifest, MediaType.ociConfig, MediaType.ociLayerGzip],
    ['docker' as const, MediaType.dockerManifest, MediaType.dockerConfig, MediaType.dockerLayerGzip],
  ])('of format %s has the documents of its specification', async (format, manifestType, configType, layerType) => {
    const config = { User: 'guest', Env: ['A=b'], Cmd: ['sh'], ExposedPorts: { '80/tcp': {} } };
    await using image = await buildImage({ layers: [entries, []], config, format });
    const manifest = parseManifest(await bytesOf(image.read(image.manifest)), image.manifest.mediaType);
    expect(image.manifest.mediaType).toBe(manifestType);
    expect(manifest).toMatchObject({
      kind: 'manifest',
      manifest: { config: { mediaType: configType }, layers: [{ mediaType: layerType }, { mediaType: layerType }] },
    });
    const parsed = parseImageConfig(await bytesOf(image.read(image.config)));
    expect(parsed).toMatchObject({ config: { user: 'guest', env: ['A=b'], cmd: ['sh'], exposedPorts: ['80/tcp'] } });
  });

  it('is the same when it is built again', async () => {
    await using first = await buildImage({ layers: [entries], config: { Cmd: ['x'] } });
    await using second = await buildImage({ layers: [entries], config: { Cmd: ['x'] } });
    await using other = await buildImage({ layers: [entries], config: { Cmd: ['y'] } });
    expect(second.manifest).toEqual(first.manifest);
    expect(other.manifest.digest).not.toBe(first.manifest.digest);
  });

  it('has blobs of the sizes and digests that it says, in the layout that it writes', async () => {
    await using image = await buildImage({ layers: [entries] });
    await image.writeLayout(folder, 'v1');
    for (const { digest, size } of [
      image.manifest,
      image.config,
      ...image.layers.map(({ descriptor }) => descriptor),
    ]) {
      const bytes = await readFile(join(folder, 'blobs', 'sha256', digest.slice('sha256:'.length)));
      expect([sha256(bytes), bytes.length]).toEqual([digest, size]);
    }
    const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'));
    expect(index.manifests).toEqual([
      { ...image.manifest, annotations: { 'org.opencontainers.image.ref.name': 'v1' } },
    ]);
  });

  it('is gone when it is disposed of', async () => {
    vi.stubEnv('TMPDIR', folder);
    const image = await buildImage({ layers: [entries] });
    expect(await readdir(folder)).toHaveLength(1);
    await image[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not built once the caller gives up', async () => {
    const reason = new Error('enough');
    const aborted = buildImage({ layers: [entries], signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
  });

  it('is pushed through a client, and not again what is there', async () => {
    await using registry = await startRegistry();
    await using image = await buildImage({ layers: [entries] });
    const reference = parseReference(`${registry.address}/some/image:1`);
    const client = createRegistryClient();
    expect(await pushImage(image, client, reference)).toBe(image.manifest.digest);
    const pulled = await client.getManifest(reference);
    expect(pulled.descriptor).toMatchObject(image.manifest);
    expect((await call(registry, '/v2/some/image/manifests/1')).body).toEqual(
      await bytesOf(image.read(image.manifest)),
    );
    const before = registry.requests.length;
    await pushImage(image, client, `${registry.address}/some/image:2`);
    const uploads = registry.requests.slice(before).filter(({ path }) => path.includes('/uploads/'));
    expect(uploads).toEqual([]);
  });
});
