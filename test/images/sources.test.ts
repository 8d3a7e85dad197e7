import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Digest, ExportOptions, Image, ImageSource, ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires, whatIsMissing } from '../support/requires.js';
import { config, Workshop } from './workshop.js';

const maker = 'source';

requires({ root: true, commands: ['buildah', 'busybox', 'docker-registry', 'skopeo'] })('images in files', () => {
  let workshop: Workshop;
  let store: ImageStore;
  /** With a manifest of Docker's, and layers in gzip. */
  let pulled: Image;
  /** With a manifest of OCI's, and layers without compression. */
  let imported: Image;
  beforeAll(async () => {
    workshop = await Workshop.open();
    store = createImageStore({ root: workshop.path('store'), registry: createRegistryClient() });
    pulled = await store.pull(await workshop.dockerImage(maker));
    const path = workshop.path('archive.tar');
    await workshop.commit(await workshop.container(maker), 'docker', `docker-archive:${path}:made.invalid/archive:1`);
    imported = await store.import({ type: 'docker-archive', path });
  });
  afterAll(() => workshop?.[Symbol.asyncDispose]());

  async function exported(image: Image, format: ExportOptions['format']): Promise<string> {
    const path = workshop.path(`${format}.tar`);
    await pipeline(store.export(image.reference, { format }), createWriteStream(path));
    return path;
  }

  /** What skopeo finds there. */
  async function inspect(source: string): Promise<{ Digest: Digest; Layers: Digest[]; Env: string[] }> {
    return JSON.parse(await workshop.run('skopeo', 'inspect', source));
  }

  const images = () => [pulled, imported];
  const diffIds = (image: Image) => image.layers.map((layer) => layer.diffId);
  const blobs = (image: Image) => image.layers.map((layer) => layer.descriptor.digest);

  it('buildah wrote a docker-archive that is imported under its tag', () => {
    expect(imported.reference).toBe('made.invalid/archive:1');
    expect(imported.config).toMatchObject({ user: config.user, workingDir: config.workingDir, cmd: config.command });
    expect(blobs(imported)).toEqual(diffIds(imported));
  });

  it('skopeo reads what is exported as oci-archive', async () => {
    for (const image of images()) {
      const archive = `oci-archive:${await exported(image, 'oci-archive')}:${image.reference}`;
      expect(await inspect(archive)).toMatchObject({
        Layers: blobs(image),
        Env: expect.arrayContaining([config.env(maker)]),
      });
    }
    const archive = `oci-archive:${await exported(imported, 'oci-archive')}:${imported.reference}`;
    expect((await inspect(archive)).Digest).toBe(imported.digest);
  });

  it('skopeo reads what is exported as docker-archive, by its tag and in full', async () => {
    for (const image of images()) {
      const archive = `docker-archive:${await exported(image, 'docker-archive')}:${image.reference}`;
      expect((await inspect(archive)).Layers).toEqual(diffIds(image));
      const copy = workshop.path('copy');
      await workshop.skopeoCopy(archive, `dir:${copy}`);
      for (const digest of diffIds(image)) {
        const layer = await readFile(join(copy, digest.slice('sha256:'.length)));
        expect(layer.length).toBeGreaterThan(0);
      }
    }
  });

  it.skipIf(whatIsMissing({ commands: ['umoci'] }).length > 0)(
    'umoci unpacks what is exported as oci-archive (needs umoci)',
    async () => {
      for (const image of images()) {
        const [layout, bundle] = [workshop.path('layout'), workshop.path('bundle')];
        await mkdir(layout);
        await workshop.run('tar', '-C', layout, '-xf', await exported(image, 'oci-archive'));
        await workshop.run('umoci', 'unpack', '--image', `${layout}:${image.reference}`, bundle);
        await workshop.run(
          'diff',
          '--no-dereference',
          '-r',
          workshop.rootfs,
          join(bundle, 'rootfs'),
          '--exclude=maker',
        );
      }
    },
  );

  it.skipIf(whatIsMissing({ commands: ['docker', 'dockerd'] }).length > 0)(
    'docker loads what is exported as docker-archive, with config and layers as they were (needs docker.io)',
    async () => {
      await workshop.withDocker(async (docker) => {
        for (const image of images()) {
          await docker('load', '--input', await exported(image, 'docker-archive'));
          const [loaded] = JSON.parse(await docker('image', 'inspect', image.reference));
          expect(loaded.Id).toBe(image.configDescriptor.digest);
          expect(loaded.RootFS.Layers).toEqual(diffIds(image));
        }
      });
    },
  );

  it('an exported archive comes back as the same image, packed by whatever tool', async () => {
    const formats = ['oci-archive', 'docker-archive'] as const;
    for (const [position, format] of formats.entries()) {
      const path = await exported(imported, format);
      for (const [tool, suffix] of [
        ['gzip', 'gz'],
        ['zstd', 'zst'],
        ['xz', 'xz'],
        ['bzip2', 'bz2'],
      ] as const) {
        if (whatIsMissing({ commands: [tool] }).length > 0) continue;
        await workshop.run(tool, '--keep', path);
        const source: ImageSource = { type: format, path: `${path}.${suffix}` };
        const again = await store.import(source, { as: `again.invalid/${position}-${suffix}:1` });
        expect(again.digest).toBe(imported.digest);
      }
    }
  });

  it('an archive that GNU tar made of a layout, with links for files that are equal, is imported', async () => {
    const [layout, path] = [workshop.path('layout'), workshop.path('layout.tar')];
    await workshop.commit(await workshop.container(maker), 'oci', `oci:${layout}:1`);
    const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
    const [, hex] = String(index.manifests[0].digest).split(':');
    await workshop.run('ln', join(layout, 'blobs', 'sha256', String(hex)), join(layout, 'a-manifest'));
    await workshop.run('tar', '-C', layout, '-cf', path, './a-manifest', './blobs', './index.json', './oci-layout');
    const image = await store.import({ type: 'oci-archive', path }, { as: 'linked.invalid/image:1' });
    expect(image.digest).toBe(index.manifests[0].digest);
  });
});
