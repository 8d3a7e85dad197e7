import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Digest, ImageSource, ProgressEvent } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { collect } from './collect.js';
import { type ImportWorld, importWorld, layoutFiles, tar, writeFiles } from './import-fixtures.js';
import { readLayout } from './layout-check.js';
import { makeImage, makeIndex, type TestImage } from './test-image.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };

let world: ImportWorld;
beforeEach(async () => {
  world = await importWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

type LayoutSource = Extract<ImageSource, { type: 'oci-layout' | 'oci-archive' }>;
type Images = readonly (readonly [name: string | undefined, image: TestImage])[];

async function makeSource(type: LayoutSource['type'], images: Images): Promise<LayoutSource> {
  const path = join(world.sources, type);
  if (type === 'oci-layout') await writeFiles(path, layoutFiles(images));
  else await writeFile(path, await tar(layoutFiles(images)));
  return { type, path };
}

function blobOf(source: { path: string }, digest: Digest | undefined): string {
  return join(source.path, 'blobs', ...(digest ?? '').split(':'));
}

describe.each(['oci-layout', 'oci-archive'] as const)('import of an %s', (type) => {
  it('brings the image into the layout byte for byte, under the reference asked for', async () => {
    const image = makeImage();
    const source = await makeSource(type, [['latest', image]]);
    const events: ProgressEvent[] = [];
    const imported = await world.store.import(source, { as: 'app:1', onProgress: (event) => void events.push(event) });

    expect(imported).toMatchObject({ reference: 'docker.io/library/app:1', digest: image.top.descriptor.digest });
    expect(imported.layers.map((one) => one.descriptor.digest)).toEqual(image.layers);
    const layout = await readLayout(world.store.layoutPath);
    expect([...layout.keys()]).toEqual(['docker.io/library/app:1']);
    expect(layout.get('docker.io/library/app:1')).toMatchObject(image.top.descriptor);
    expect(await world.store.get('app:1')).toMatchObject({ digest: image.top.descriptor.digest });
    expect(Buffer.concat(await collect(world.store.readBlob(image.layers[2] as Digest)))).toEqual(
      image.blobs.get(image.layers[2] as Digest),
    );

    const types = [...new Set(events.map((event) => event.type))];
    expect(types).toEqual(['resolving', 'resolved', 'fetching', 'fetched']);
    expect(events.filter((event) => event.type === 'fetched')).toHaveLength(3);
  });

  it('finds every blob there the second time', async () => {
    const source = await makeSource(type, [[undefined, makeImage()]]);
    await world.store.import(source, { as: 'app:1' });
    const events: ProgressEvent[] = [];
    await world.store.import(source, { as: 'app:2', onProgress: (event) => void events.push(event) });
    expect(events.filter((event) => event.type === 'fetched').map((event) => event.cached)).toEqual([true, true, true]);
    expect(events.some((event) => event.type === 'fetching')).toBe(false);
  });

  it('takes the one of several images that is named, and tags nothing else', async () => {
    const [one, other] = [makeImage(), makeImage()];
    const source = await makeSource(type, [
      ['example.com/one:1', one],
      ['example.com/other:1', other],
    ]);
    await expect(world.store.import(source, { as: 'app' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'reference' },
    });
    await expect(world.store.import({ ...source, reference: 'example.com/two:1' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await world.left()).toEqual([]);

    const imported = await world.store.import({ ...source, reference: 'example.com/other:1' });
    expect(imported).toMatchObject({ reference: 'example.com/other:1', digest: other.top.descriptor.digest });
    expect((await collect(world.store.list())).map((image) => image.reference)).toEqual(['example.com/other:1']);
  });

  it.each([undefined, 'latest', 'v1.0', 'Example.com/UPPER:1'])('wants `as` where its own name is %s', async (name) => {
    const source = await makeSource(type, [[name, makeImage()]]);
    await expect(world.store.import(source)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'as' },
    });
    expect(await world.left()).toEqual([]);
  });

  it('takes the platform asked for, of an index and of entries side by side', async () => {
    const [one, other] = [makeImage({ platform: amd64 }), makeImage({ platform: arm64 })];
    const index = makeIndex([amd64, arm64], [one, other]);
    const source = await makeSource(type, [['example.com/multi:1', index]]);
    const imported = await world.store.import(source, { platform: arm64 });
    expect(imported.digest).toBe(other.top.descriptor.digest);
    expect((await readLayout(world.store.layoutPath)).get('example.com/multi:1')?.digest).toBe(
      index.top.descriptor.digest,
    );
    expect(await world.store.get('example.com/multi:1', { platform: amd64 })).toBeUndefined();
    await expect(
      world.store.import(source, { platform: { os: 'linux', architecture: 's390x' } }),
    ).rejects.toMatchObject({ code: 'NO_PLATFORM' });
  });

  it('refuses a sole manifest that is of another platform than the one asked for', async () => {
    const source = await makeSource(type, [['a/b:1', makeImage({ platform: arm64 })]]);
    await expect(world.store.import(source, { platform: amd64 })).rejects.toMatchObject({ code: 'NO_PLATFORM' });
    expect(await world.left()).toEqual([]);
  });

  it('keeps an image under a digest only if it is of that digest', async () => {
    const [image, other] = [makeImage(), makeImage()];
    const source = await makeSource(type, [[undefined, image]]);
    await expect(world.store.import(source, { as: `a/b@${other.top.descriptor.digest}` })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'as' },
    });
    expect(await world.left()).toEqual([]);
    const reference = `a/b@${image.top.descriptor.digest}`;
    expect((await world.store.import(source, { as: reference })).reference).toBe(`docker.io/${reference}`);
  });

  it('leaves nothing when it is aborted in the middle of a layer', async () => {
    const source = await makeSource(type, [['a/b:1', makeImage()]]);
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    let fetched = 0;
    const importing = world.store.import(source, {
      signal: controller.signal,
      onProgress: (event) => {
        if (event.type === 'fetched' && ++fetched === 2) controller.abort(reason);
      },
    });
    await expect(importing).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
    expect(await world.left()).toEqual([]);
    expect(await world.store.get('a/b:1')).toBeUndefined();
  });
});

describe('a damaged or hostile image layout', () => {
  it('refuses a layer that is other content of the same size', async () => {
    const image = makeImage();
    const source = await makeSource('oci-layout', [['a/b:1', image]]);
    const [digest] = image.layers;
    await writeFile(blobOf(source, digest), Buffer.alloc(image.blobs.get(digest as Digest)?.length ?? 0));
    await expect(world.store.import(source)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(await world.left()).toEqual([]);
  });

  it.each([-1, 1])('refuses a layer of %d bytes more', async (more) => {
    const image = makeImage();
    const source = await makeSource('oci-layout', [['a/b:1', image]]);
    const [digest] = image.layers;
    await truncate(blobOf(source, digest), (image.blobs.get(digest as Digest)?.length ?? 0) + more);
    await expect(world.store.import(source)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    expect(await world.left()).toEqual([]);
  });

  it('reads no blob through a link, and waits on no FIFO', async () => {
    const image = makeImage();
    const source = await makeSource('oci-layout', [['a/b:1', image]]);
    const path = blobOf(source, image.layers[1]);
    await rename(path, join(world.sources, 'elsewhere'));
    await symlink(join(world.sources, 'elsewhere'), path);
    await expect(world.store.import(source)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await rm(path);
    execFileSync('mkfifo', [path]);
    await expect(world.store.import(source)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await world.left()).toEqual([]);
  });

  it('refuses an index.json of over 4 MiB, of a wrong shape, and of another version', async () => {
    const source = await makeSource('oci-layout', [['a/b:1', makeImage()]]);
    await truncate(join(source.path, 'index.json'), 4 * 2 ** 20 + 1);
    await expect(world.store.import(source)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await writeFile(join(source.path, 'index.json'), '{"schemaVersion":2,"manifests":{}}');
    await expect(world.store.import(source)).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
    await writeFile(join(source.path, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
    await expect(world.store.import(source)).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
  });

  it('says what is not there', async () => {
    await expect(world.store.import({ type: 'oci-layout', path: join(world.sources, 'none') })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await mkdir(join(world.sources, 'empty'));
    await expect(world.store.import({ type: 'oci-archive', path: join(world.sources, 'empty') })).rejects.toMatchObject(
      { code: 'INVALID_ARGUMENT', details: { field: 'path' } },
    );
  });
});

describe('an archive', () => {
  const importArchive = async (archive: Buffer) => {
    const path = join(world.sources, 'archive');
    await writeFile(path, archive);
    return world.store.import({ type: 'oci-archive', path }, { as: 'app:1' });
  };

  it('may be compressed with gzip, in several members', async () => {
    const image = makeImage();
    const whole = await tar(layoutFiles([[undefined, image]]));
    const [head, rest] = [whole.subarray(0, 70_000), whole.subarray(70_000)];
    const imported = await importArchive(Buffer.concat([gzipSync(head), gzipSync(rest)]));
    expect(imported.digest).toBe(image.top.descriptor.digest);
  });

  it.each(['zstd', 'xz', 'bzip2'])('may be compressed with %s', async (program) => {
    const image = makeImage();
    const packed = execFileSync(program, ['-c'], { input: await tar(layoutFiles([[undefined, image]])) });
    expect((await importArchive(packed)).digest).toBe(image.top.descriptor.digest);
  });

  it('may have its entries in any order, and blobs that are links to others', async () => {
    const image = makeImage();
    const files = layoutFiles([[undefined, image]]).reverse();
    const name = `blobs/${image.layers[0]?.replace(':', '/')}`;
    const moved = files.map((file) => (file.name === name ? { ...file, name: 'kept/elsewhere' } : file));
    const link = { name, type: 'symlink', linkName: '../../kept/elsewhere' } as const;
    expect((await importArchive(await tar([link, ...moved]))).digest).toBe(image.top.descriptor.digest);
    const hardlink = { name, type: 'hardlink', linkName: './kept/elsewhere' } as const;
    expect((await importArchive(await tar([...moved, hardlink]))).digest).toBe(image.top.descriptor.digest);
  });

  it('is refused if two layers are one file', async () => {
    const image = makeImage();
    const [first, second] = image.layers.map((digest) => `blobs/${digest.replace(':', '/')}`);
    const files = layoutFiles([[undefined, image]]).map((file) =>
      file.name === first ? { name: file.name, type: 'symlink' as const, linkName: `../../${second}` } : file,
    );
    await expect(importArchive(await tar(files))).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    expect(await world.left()).toEqual([]);
  });

  it.each([
    ['out of it', '../../../etc/passwd'],
    ['at itself', 'index.json'],
  ])('is refused for a link that points %s', async (_, linkName) => {
    const files = layoutFiles([[undefined, makeImage()]]).filter((file) => file.name !== 'index.json');
    const archive = await tar([...files, { name: 'index.json', type: 'symlink', linkName }]);
    await expect(importArchive(archive)).rejects.toMatchObject({
      code: 'INVALID_ARCHIVE',
      details: { entry: 'index.json' },
    });
    expect(await world.left()).toEqual([]);
  });

  it.each(['../evil', 'a/../../evil', `long/${'x'.repeat(600)}`])('is refused for the name %s', async (name) => {
    const archive = await tar([...layoutFiles([[undefined, makeImage()]]), { name, body: 'evil' }]);
    await expect(importArchive(archive)).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    expect(await world.left()).toEqual([]);
  });

  it('is refused for two entries of one name', async () => {
    const files = layoutFiles([[undefined, makeImage()]]);
    const again = layoutFiles([[undefined, makeImage()]]).filter((file) => file.name === 'index.json');
    await expect(importArchive(await tar([...files, ...again]))).rejects.toMatchObject({
      code: 'INVALID_ARCHIVE',
      details: { entry: 'index.json' },
    });
  });

  it('is refused if it is cut short, or none', async () => {
    const archive = await tar(layoutFiles([[undefined, makeImage()]]));
    await expect(importArchive(archive.subarray(0, 150_000))).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    await expect(importArchive(Buffer.alloc(4096, 'no archive'))).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    await expect(importArchive(Buffer.alloc(0))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await world.left()).toEqual([]);
  });
});
