import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { TarInput } from '@gantry/archive';
import { sha256 } from '@gantry/image-spec';
import type { ImportOptions, ProgressEvent, PulledImage } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { collect } from './collect.js';
import { type ImportWorld, importWorld, layer, savedFiles, tar } from './import-fixtures.js';
import { readLayout } from './layout-check.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let world: ImportWorld;
let lower: Buffer;
let upper: Buffer;
beforeEach(async () => {
  world = await importWorld();
  lower = await layer({ 'etc/lower': 'one', 'etc/both': 'one' });
  upper = await layer({ 'etc/upper': 'two', 'etc/both': 'two' });
});
afterEach(() => world[Symbol.asyncDispose]());

type Options = ImportOptions & { readonly reference?: string };

async function importArchive(archive: Uint8Array, { reference, ...options }: Options = {}): Promise<PulledImage> {
  const path = join(world.sources, 'saved.tar');
  await writeFile(path, archive);
  return world.store.import({ type: 'docker-archive', path, ...(reference && { reference }) }, options);
}

async function importFiles(files: readonly TarInput[], options?: Options): Promise<PulledImage> {
  return importArchive(await tar(files), options);
}

describe('import of a docker-archive', () => {
  it('keeps layers and config as they are, under the only tag in it', async () => {
    const files = savedFiles([{ tags: ['redis:7'], layers: [lower, upper] }]);
    const events: ProgressEvent[] = [];
    const image = await importFiles(files, { onProgress: (event) => void events.push(event) });

    expect(image.reference).toBe('docker.io/library/redis:7');
    expect(image.layers.map((one) => [one.diffId, one.descriptor.digest, one.descriptor.size])).toEqual([
      [sha256(lower), sha256(lower), lower.length],
      [sha256(upper), sha256(upper), upper.length],
    ]);
    expect(image.configDescriptor.digest).toBe(sha256(files[0]?.body as Buffer));
    expect(image.config.cmd).toEqual(['/bin/sh']);
    expect((await readLayout(world.store.layoutPath)).get('docker.io/library/redis:7')).toMatchObject({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: image.digest,
    });
    expect(await world.store.get('redis:7')).toMatchObject({ digest: image.digest });
    expect(events.map((event) => event.type)).toEqual([
      'resolving',
      'fetching',
      'fetched',
      'fetching',
      'fetched',
      'resolved',
    ]);
  });

  it('reads it gzipped, with entries in any order and names that start with ./', async () => {
    const files = savedFiles([{ tags: ['redis:7'], layers: [lower, upper] }]).reverse();
    const plain = await importFiles(files);
    const dotted = files.map((file) => ({ ...file, name: `./${file.name}` }));
    expect((await importArchive(gzipSync(await tar(dotted)))).digest).toBe(plain.digest);
  });

  it('tags nothing but the image that was asked for', async () => {
    const files = savedFiles([
      { tags: ['redis:7', 'example.com/cache:7'], layers: [lower] },
      { tags: ['nginx:1'], layers: [lower, upper] },
    ]);
    await expect(importFiles(files, { as: 'mine' })).rejects.toMatchObject({ details: { field: 'reference' } });
    await expect(importFiles(files, { reference: 'nginx:2' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await world.left()).toEqual([]);

    const image = await importFiles(files, { reference: 'docker.io/library/nginx:1', as: 'mine:1' });
    expect(image.layers).toHaveLength(2);
    await importFiles(files, { reference: 'redis:7' });
    const references = (await collect(world.store.list())).map((one) => one.reference);
    expect(references).toEqual(['docker.io/library/mine:1', 'docker.io/library/redis:7']);
  });

  it('refuses two images of the name asked for', async () => {
    const files = savedFiles([
      { tags: ['a:1'], layers: [lower] },
      { tags: ['docker.io/library/a:1'], layers: [upper] },
    ]);
    await expect(importFiles(files, { reference: 'a:1' })).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    expect(await world.left()).toEqual([]);
  });

  it.each([[null], [['a:1', 'b:1']]])('wants `as` for the tags %j', async (tags) => {
    const files = savedFiles([{ tags, layers: [lower] }]);
    await expect(importFiles(files)).rejects.toMatchObject({ details: { field: 'as' } });
    expect((await importFiles(files, { as: 'c:1' })).reference).toBe('docker.io/library/c:1');
  });

  it('keeps a gzipped layer gzipped, and takes others apart', async () => {
    const [gzipped, packed] = [gzipSync(lower), execFileSync('xz', ['-c'], { input: upper })];
    const diffIds = [sha256(lower), sha256(upper)];
    const image = await importFiles(savedFiles([{ tags: ['a:1'], layers: [gzipped, packed], diffIds }]));
    expect(image.layers.map((one) => [one.descriptor.mediaType, one.descriptor.digest, one.diffId])).toEqual([
      ['application/vnd.oci.image.layer.v1.tar+gzip', sha256(gzipped), diffIds[0]],
      ['application/vnd.oci.image.layer.v1.tar', diffIds[1], diffIds[1]],
    ]);
  });

  it('resolves a layer that is a link to another inside the archive', async () => {
    const files = savedFiles([{ tags: ['a:1'], layers: [lower, upper, lower] }]);
    const manifest = JSON.parse(String(files.at(-1)?.body)) as [{ Layers: string[] }];
    const target = manifest[0].Layers[0];
    manifest[0].Layers[2] = 'repeated/layer.tar';
    const link = { name: 'repeated/layer.tar', type: 'symlink', linkName: `../${target}` } as const;
    const image = await importFiles([
      link,
      ...files.slice(0, -1),
      { name: 'manifest.json', body: JSON.stringify(manifest) },
    ]);
    expect(image.layers.map((one) => one.diffId)).toEqual([sha256(lower), sha256(upper), sha256(lower)]);
  });

  it.each<[string, string, (files: TarInput[]) => TarInput[]]>([
    [
      'a layer that is not there',
      'NOT_FOUND',
      (files) => files.filter((file) => !String(file.name).endsWith('/layer.tar')),
    ],
    ['a config that is not there', 'NOT_FOUND', (files) => files.slice(1)],
    ['no manifest', 'INVALID_ARCHIVE', (files) => files.slice(0, -1)],
    [
      'a layer of other content',
      'DIGEST_MISMATCH',
      (files) => files.map((file) => (String(file.name).endsWith('/layer.tar') ? { ...file, body: upper } : file)),
    ],
    [
      'a layer twice',
      'INVALID_ARCHIVE',
      (files) => [...files, ...files.filter((file) => String(file.name).endsWith('/layer.tar'))],
    ],
    [
      'a layer that is a link out of it',
      'INVALID_ARCHIVE',
      (files) =>
        files.map((file) =>
          String(file.name).endsWith('/layer.tar')
            ? { name: file.name, type: 'symlink', linkName: '../../../etc/shadow' }
            : file,
        ),
    ],
    [
      'a layer that is a FIFO',
      'NOT_FOUND',
      (files) =>
        files.map((file) => (String(file.name).endsWith('/layer.tar') ? { name: file.name, type: 'fifo' } : file)),
    ],
    [
      'a config path out of it',
      'INVALID_DOCUMENT',
      (files) => [
        ...files.slice(0, -1),
        { name: 'manifest.json', body: '[{"Config":"../../etc/passwd","RepoTags":[],"Layers":[]}]' },
      ],
    ],
  ])('refuses %s', async (_, code, change) => {
    const files = savedFiles([{ tags: ['a:1'], layers: [lower] }]);
    await expect(importFiles(change(files))).rejects.toMatchObject({ code });
    expect(await world.left()).toEqual([]);
    expect(await world.store.get('a:1')).toBeUndefined();
  });

  it('refuses a layer that is no tar archive, plain and gzipped', async () => {
    const garbage = Buffer.alloc(5000, 'no archive');
    const diffIds = [sha256(garbage)];
    for (const body of [garbage, gzipSync(garbage)]) {
      const files = savedFiles([{ tags: ['a:1'], layers: [body], diffIds }]);
      await expect(importFiles(files)).rejects.toMatchObject({ code: 'INVALID_ARCHIVE' });
    }
    expect(await world.left()).toEqual([]);
  });

  it('refuses a gzipped layer that is not of the digest in the config', async () => {
    const files = savedFiles([{ tags: ['a:1'], layers: [gzipSync(lower)], diffIds: [sha256(upper)] }]);
    await expect(importFiles(files)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(await world.left()).toEqual([]);
  });

  it('leaves nothing when it is aborted at its very end', async () => {
    const controller = new AbortController();
    const importing = importFiles(savedFiles([{ tags: ['a:1'], layers: [lower] }]), {
      signal: controller.signal,
      onProgress: (event) => event.type === 'resolved' && controller.abort(),
    });
    await expect(importing).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await world.left()).toEqual([]);
  });

  it('reads no document beyond 4 MiB', async () => {
    const files = savedFiles([{ tags: ['a:1'], layers: [lower] }]).slice(0, -1);
    const manifest = { name: 'manifest.json', body: Buffer.alloc(4 * 2 ** 20 + 1, '[') };
    await expect(importFiles([...files, manifest])).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { path: 'manifest.json' },
    });
    expect(await world.left()).toEqual([]);
  });

  it('refuses a bomb, without keeping a byte of it', async () => {
    const bomb = execFileSync('sh', ['-c', 'head -c 67108864 /dev/zero | bzip2 -c']);
    await expect(importArchive(bomb)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(await world.left()).toEqual([]);
  });
});

describe('import of a docker-archive of version 1', () => {
  const [bottom, middle, top] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];

  /** One folder a layer, as `docker save` wrote it before 1.10 (Docker image specification 1). */
  function folder(id: string, parent: string | undefined, body: Uint8Array, more: object = {}): TarInput[] {
    const json = { id, ...(parent && { parent }), created: '2015-01-01T00:00:00Z', ...more };
    return [
      { name: `${id}/`, type: 'directory' },
      { name: `${id}/VERSION`, body: '1.0' },
      { name: `${id}/json`, body: JSON.stringify(json) },
      { name: `${id}/layer.tar`, body },
    ];
  }

  const repositories = (tags: object): TarInput => ({ name: 'repositories', body: JSON.stringify(tags) });
  const run = { architecture: 'amd64', os: 'linux', config: { Cmd: ['/bin/true'], Env: ['A=1'] } };

  it('makes config and manifest of the layers, lowest first', async () => {
    const files = [
      ...folder(top, bottom, upper, run),
      ...folder(bottom, undefined, lower),
      repositories({ busybox: { '1': top } }),
    ];
    const image = await importFiles(files);
    expect(image).toMatchObject({
      reference: 'docker.io/library/busybox:1',
      config: { cmd: ['/bin/true'], env: ['A=1'] },
    });
    expect(image.layers.map((one) => one.diffId)).toEqual([sha256(lower), sha256(upper)]);
    expect(image.config.platform).toEqual({ os: 'linux', architecture: 'amd64' });
    expect((await importFiles(files, { as: 'again' })).digest).toBe(image.digest);
    expect((await readLayout(world.store.layoutPath)).size).toBe(2);
  });

  it('picks one of several images', async () => {
    const files = [
      ...folder(bottom, undefined, lower),
      ...folder(middle, bottom, upper, run),
      ...folder(top, bottom, lower, run),
      repositories({ one: { '1': middle }, 'example.com/two': { '2': top } }),
    ];
    await expect(importFiles(files)).rejects.toMatchObject({ details: { field: 'reference' } });
    const image = await importFiles(files, { reference: 'example.com/two:2' });
    expect(image.layers.map((one) => one.diffId)).toEqual([sha256(lower), sha256(lower)]);
  });

  it('refuses an archive that has to be read again and again', async () => {
    const chain = Array.from({ length: 20 }, (_, position) => String(position).padStart(64, '0'));
    const files = chain.flatMap((id, position) => {
      const json = JSON.stringify({ id, parent: chain[position - 1] });
      // What starts with a space is not known for a document before it is asked for.
      return [
        { name: `${id}/json`, body: ` ${json}` },
        { name: `${id}/layer.tar`, body: lower },
      ];
    });
    const tags = repositories({ a: { b: chain.at(-1) } });
    await expect(importFiles([...files, tags])).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(await world.left()).toEqual([]);
  });

  it.each<[string, string, TarInput[]]>([
    [
      'images that stand on each other',
      'INVALID_DOCUMENT',
      [...folder(top, bottom, Buffer.alloc(1024)), ...folder(bottom, top, Buffer.alloc(1024))],
    ],
    ['a parent that is not there', 'NOT_FOUND', folder(top, bottom, Buffer.alloc(1024))],
    ['a layer that is no archive', 'INVALID_ARCHIVE', folder(top, undefined, Buffer.alloc(1024, 'x'))],
    [
      'an id that is a path',
      'INVALID_DOCUMENT',
      [{ name: `${top}/json`, body: JSON.stringify({ id: '../../../../etc/passwd' }) }],
    ],
    [
      'an image under another id',
      'INVALID_DOCUMENT',
      [
        { name: `${top}/json`, body: JSON.stringify({ id: bottom }) },
        { name: `${top}/layer.tar`, body: Buffer.alloc(1024) },
      ],
    ],
  ])('refuses %s', async (_, code, files) => {
    await expect(importFiles([...files, repositories({ a: { b: top } })])).rejects.toMatchObject({ code });
    expect(await world.left()).toEqual([]);
  });
});
