import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readTar } from '@gantry/archive';
import { digestHex, sha256 } from '@gantry/image-spec';
import type { ExportOptions, ImageSource } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { collect } from './collect.js';
import { type ImportWorld, importWorld, layer, layoutFiles, readEntries, tar } from './import-fixtures.js';
import { makeImage, type TestImage, type TestImageOptions } from './test-image.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const reference = 'example.com/team/app:1';
const formats = ['docker-archive', 'oci-archive'] as const;

let world: ImportWorld;
let layers: Buffer[];
beforeEach(async () => {
  world = await importWorld();
  layers = [await layer({ a: '1' }), await layer({ b: '2' }), await layer({ a: '1' })];
});
afterEach(() => world[Symbol.asyncDispose]());

/** An image in the store, its layers gzipped. */
async function stored(options: Omit<TestImageOptions, 'layers'> = {}, name = reference): Promise<TestImage> {
  const image = makeImage({ layers, ...options });
  const path = join(world.sources, 'image.tar');
  await writeFile(path, await tar(layoutFiles([[undefined, image]])));
  await world.store.import({ type: 'oci-archive', path }, { as: name });
  return image;
}

async function exported(options: ExportOptions, name = reference): Promise<Buffer> {
  return Buffer.concat(await collect(world.store.export(name, options)));
}

async function exportedFile(format: ExportOptions['format']): Promise<ImageSource> {
  const path = join(world.sources, 'exported.tar');
  await writeFile(path, await exported({ format }));
  return { type: format, path };
}

async function* once(bytes: Uint8Array) {
  yield bytes;
}

describe('export', () => {
  it.each(formats)('as %s gives the same bytes each time', async (format) => {
    await stored();
    const archive = await exported({ format });
    expect(await exported({ format })).toEqual(archive);
    for await (const entry of readTar(once(archive)))
      expect([entry.mtimeSeconds, entry.uid, entry.gid]).toEqual([0, 0, 0]);
  });

  it('as an oci-archive holds manifest, config and layers as they are, under the name', async () => {
    const image = await stored();
    const entries = await readEntries(once(await exported({ format: 'oci-archive' })));
    expect(JSON.parse(entries.get('oci-layout') ?? '')).toEqual({ imageLayoutVersion: '1.0.0' });
    expect(JSON.parse(entries.get('index.json') ?? '')).toMatchObject({
      schemaVersion: 2,
      manifests: [
        {
          ...image.top.descriptor,
          annotations: { 'org.opencontainers.image.ref.name': reference },
          platform: { os: 'linux' },
        },
      ],
    });
    const source = await exportedFile('oci-archive');
    const again = await world.store.import(source, { as: 'again' });
    expect(again.digest).toBe(image.top.descriptor.digest);
    expect((await world.store.import(source)).reference).toBe(reference);
  });

  it("as an oci-archive says a Docker manifest in OCI's media types", async () => {
    const image = await stored({ docker: true });
    const imported = await world.store.import(await exportedFile('oci-archive'), { as: 'again' });
    expect(imported.manifest.mediaType).toBe('application/vnd.oci.image.manifest.v1+json');
    expect(imported.configDescriptor.mediaType).toBe('application/vnd.oci.image.config.v1+json');
    expect(imported.layers.map((one) => one.descriptor.digest)).toEqual(image.layers);
    expect(imported.layers[0]?.descriptor.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+gzip');
  });

  it('as a docker-archive holds the layers uncompressed, one that comes twice once', async () => {
    await stored();
    const entries = await readEntries(once(await exported({ format: 'docker-archive' })));
    const [image] = JSON.parse(entries.get('manifest.json') ?? '') as [
      { Config: string; RepoTags: string[]; Layers: string[] },
    ];
    expect(image.RepoTags).toEqual([reference]);
    expect(`sha256:${image.Config.replace('.json', '')}`).toBe(sha256(Buffer.from(entries.get(image.Config) ?? '')));
    expect(image.Layers.map((path) => sha256(Buffer.from(entries.get(path) ?? '', 'utf8')))).toEqual(
      layers.map((one) => sha256(one)),
    );
    expect(new Set(image.Layers).size).toBe(2);

    const original = await world.store.get(reference);
    const again = await world.store.import(await exportedFile('docker-archive'), { as: 'again' });
    expect(again.configDescriptor.digest).toBe(original?.configDescriptor.digest);
    expect(again.layers.map((one) => one.diffId)).toEqual(layers.map((one) => sha256(one)));
  });

  it('as a docker-archive can be read by `repositories` alone, as Docker before 1.10 did', async () => {
    await stored();
    const whole = readTar(once(await exported({ format: 'docker-archive' })));
    const old = [];
    for await (const { body, ...header } of whole) {
      const entry = { ...header, body: Buffer.concat(await collect(body)) };
      if (header.name.toString() !== 'manifest.json') old.push(entry);
    }
    const path = join(world.sources, 'old.tar');
    await writeFile(path, await tar(old));
    const image = await world.store.import({ type: 'docker-archive', path }, { as: 'old' });
    expect(image.layers.map((one) => one.diffId)).toEqual(layers.map((one) => sha256(one)));
    expect(image.config.cmd).toEqual(['/bin/sh']);
  });

  it('of an image without a tag names none', async () => {
    const image = makeImage({ layers });
    const path = join(world.sources, 'image.tar');
    await writeFile(path, await tar(layoutFiles([[undefined, image]])));
    const name = `example.com/app@${image.top.descriptor.digest}`;
    await world.store.import({ type: 'oci-archive', path }, { as: name });
    const entries = await readEntries(once(await exported({ format: 'docker-archive' }, name)));
    expect(JSON.parse(entries.get('manifest.json') ?? '')).toMatchObject([{ RepoTags: null }]);
    expect(entries.has('repositories')).toBe(false);
  });

  it.each(formats)('as %s ends with DIGEST_MISMATCH if a blob was damaged on disk', async (format) => {
    const image = await stored();
    const [digest = 'sha256:'] = image.layers;
    const path = join(world.store.layoutPath, 'blobs', 'sha256', digestHex(digest));
    const packed = gzipSync(await layer({ a: '2' }), { level: 1 });
    expect(packed.length).toBe(image.blobs.get(digest)?.length);
    await writeFile(path, packed);
    await expect(exported({ format })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  it('as a docker-archive ends with DIGEST_MISMATCH if a layer is not what the config says', async () => {
    const [first = Buffer.alloc(0), second = first] = layers;
    await stored({ diffIds: [sha256(first), sha256(first), sha256(second)] });
    await expect(exported({ format: 'docker-archive' })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  it('as a docker-archive gives images of the same layers and other configs other ids', async () => {
    const ids: string[] = [];
    for (const platform of ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }))) {
      await stored({ platform });
      const entries = await readEntries(once(await exported({ format: 'docker-archive', platform })));
      const repositories = JSON.parse(entries.get('repositories') ?? '') as Record<string, Record<string, string>>;
      ids.push(repositories['example.com/team/app']?.['1'] ?? '');
      expect(JSON.parse(entries.get(`${ids.at(-1)}/json`) ?? '')).toMatchObject({ id: ids.at(-1), ...platform });
    }
    expect(new Set(ids).size).toBe(2);
  });

  it('fails for what is not there and for an unknown format, and ends when it is aborted', async () => {
    await stored();
    await expect(exported({ format: 'oci-archive' }, 'absent')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(exported({ format: 'zip' as 'oci-archive' })).rejects.toMatchObject({ details: { field: 'format' } });
    const controller = new AbortController();
    const reading = async () => {
      for await (const _ of world.store.export(reference, { format: 'oci-archive', signal: controller.signal })) {
        controller.abort();
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
