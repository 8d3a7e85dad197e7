import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSource, ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { type Requirements, requires, whatIsMissing } from '../support/requires.js';
import { config, Workshop } from './workshop.js';

interface Format {
  readonly name: string;
  /** Who makes it: one word, that the image's program says. */
  readonly maker: string;
  /** What its manifest or index in the registry shows of the format; a file that is imported is read as what it is said to be. */
  readonly shows?: RegExp;
  /** Beyond what all of them need. */
  readonly needs?: Requirements;
  /** Makes the image and says where it is: its reference in a registry, or what to import. */
  readonly make: (workshop: Workshop, maker: string) => Promise<string | ImageSource>;
}

const formats: readonly Format[] = [
  {
    name: 'OCI, pushed by buildah',
    maker: 'buildah-oci',
    shows: /vnd\.oci\.image\.config\.v1\+json/,
    async make(workshop, maker) {
      const reference = workshop.pushed(maker);
      await workshop.commit(await workshop.container(maker), 'oci', `docker://${reference}`);
      return reference;
    },
  },
  {
    name: 'Docker schema 2, pushed by buildah',
    maker: 'buildah-docker',
    shows: /vnd\.docker\.container\.image\.v1\+json/,
    make: (workshop, maker) => workshop.dockerImage(maker),
  },
  {
    name: 'Docker schema 2 as OCI, by skopeo',
    maker: 'skopeo-oci',
    shows: /vnd\.oci\.image\.config\.v1\+json/,
    async make(workshop, maker) {
      const reference = workshop.pushed(`${maker}/copy`);
      const original = await workshop.dockerImage(maker);
      await workshop.skopeoCopy(`docker://${original}`, `docker://${reference}`, '--format', 'oci');
      return reference;
    },
  },
  {
    name: 'an OCI index of two platforms, by buildah',
    maker: 'buildah-index',
    shows: /"manifests":.*vnd\.oci\.image\.manifest\.v1\+json/s,
    make: (workshop, maker) => manifestList(workshop, maker, 'oci'),
  },
  {
    name: 'a Docker manifest list of two platforms, by buildah',
    maker: 'buildah-list',
    shows: /vnd\.docker\.distribution\.manifest\.list\.v2\+json/,
    make: (workshop, maker) => manifestList(workshop, maker, 'docker'),
  },
  {
    name: 'OCI with zstd layers, by skopeo',
    maker: 'skopeo-zstd',
    shows: /vnd\.oci\.image\.layer\.v1\.tar\+zstd/,
    async make(workshop, maker) {
      const reference = workshop.pushed(`${maker}/copy`);
      const [gzip, zstd] = [`oci:${workshop.path('gzip')}:1`, `oci:${workshop.path('zstd')}:1`];
      await workshop.commit(await workshop.container(maker), 'oci', gzip);
      await workshop.skopeoCopy(gzip, zstd, '--dest-compress-format', 'zstd');
      await workshop.skopeoCopy(zstd, `docker://${reference}`);
      return reference;
    },
  },
  {
    name: 'Docker schema 1, signed, by skopeo',
    maker: 'skopeo-schema1',
    shows: /"schemaVersion":\s*1/,
    async make(workshop, maker) {
      const reference = workshop.pushed(`${maker}/copy`);
      const original = await workshop.dockerImage(maker);
      await workshop.skopeoCopy(`docker://${original}`, `docker://${reference}`, '--format', 'v2s1');
      return reference;
    },
  },
  {
    name: 'a docker-archive, by skopeo',
    maker: 'skopeo-archive',
    async make(workshop, maker) {
      const path = workshop.path('archive.tar');
      const original = await workshop.dockerImage(maker);
      await workshop.skopeoCopy(`docker://${original}`, `docker-archive:${path}:made.invalid/archive:1`);
      return { type: 'docker-archive', path };
    },
  },
  {
    name: 'a docker-archive of two images, gzipped, by docker save',
    maker: 'docker-save',
    needs: { commands: ['docker', 'dockerd'], packages: ['docker.io'] },
    async make(workshop, maker) {
      const path = workshop.path('saved.tar');
      const original = await workshop.dockerImage(maker);
      const other = await workshop.dockerImage('other');
      await workshop.withDocker(async (docker) => {
        for (const reference of [original, other]) await docker('pull', '--quiet', reference);
        await docker('save', '--output', path, other, original);
      });
      await workshop.run('gzip', path);
      return { type: 'docker-archive', path: `${path}.gz`, reference: original };
    },
  },
  {
    name: 'an OCI archive, by buildah',
    maker: 'buildah-archive',
    async make(workshop, maker) {
      const path = workshop.path('archive.tar');
      await workshop.commit(await workshop.container(maker), 'oci', `oci-archive:${path}:1`);
      return { type: 'oci-archive', path };
    },
  },
  {
    name: 'an OCI layout, by umoci',
    maker: 'umoci',
    needs: { commands: ['umoci'] },
    async make(workshop, maker) {
      const [path, bundle] = [workshop.path('layout'), workshop.path('bundle')];
      await workshop.run('umoci', 'init', '--layout', path);
      await workshop.run('umoci', 'new', '--image', `${path}:1`);
      const settings = ['--config.user', config.user, '--config.workingdir', config.workingDir];
      const command = config.command.flatMap((word) => ['--config.cmd', word]);
      const env = ['--config.env', config.env(maker)];
      await workshop.run('umoci', 'config', '--image', `${path}:1`, ...settings, ...command, ...env);
      await workshop.run('umoci', 'unpack', '--image', `${path}:1`, bundle);
      await workshop.run('cp', '-a', `${workshop.rootfs}/.`, join(bundle, 'rootfs'));
      await workshop.run('umoci', 'repack', '--image', `${path}:1`, bundle);
      return { type: 'oci-layout', path, reference: '1' };
    },
  },
  ...['none', 'gzip', 'bzip2', 'xz'].map(
    (compression): Format => ({
      name: `appc, compression ${compression}, by GNU tar`,
      maker: `tar-${compression}`,
      needs: { commands: compression === 'none' ? ['tar'] : ['tar', compression] },
      make: (workshop, maker) => appcArchive(workshop, maker, compression),
    }),
  ),
];

/** The image of the other platform runs nowhere: it is not to be chosen. */
async function manifestList(workshop: Workshop, maker: string, format: 'oci' | 'docker'): Promise<string> {
  const reference = workshop.pushed(maker);
  const other = process.arch === 'arm64' ? 'amd64' : 'arm64';
  const [list, ours, theirs] = [maker, `${maker}-ours`, `${maker}-theirs`];
  await workshop.commit(await workshop.container('nobody', '--arch', other), format, theirs);
  await workshop.commit(await workshop.container(maker), format, ours);
  await workshop.buildah('manifest', 'create', list, theirs, ours);
  const options = ['--all', '--tls-verify=false', '--format', format === 'oci' ? 'oci' : 'v2s2'];
  await workshop.buildah('manifest', 'push', ...options, list, `docker://${reference}`);
  return reference;
}

/** As actool makes them: the manifest first, then the root file system below `rootfs`. */
async function appcArchive(workshop: Workshop, maker: string, compression: string): Promise<ImageSource> {
  const [folder, path] = [workshop.path('aci'), workshop.path('image.aci')];
  const [user, group] = config.user.split(':');
  const [name = '', value = ''] = config.env(maker).split('=');
  const manifest = {
    acKind: 'ImageManifest',
    acVersion: '0.8.11',
    name: `made.invalid/${maker}`,
    labels: [
      { name: 'version', value: '1.0.0' },
      { name: 'os', value: 'linux' },
      { name: 'arch', value: process.arch === 'arm64' ? 'aarch64' : 'amd64' },
    ],
    app: {
      exec: config.command,
      user,
      group,
      workingDirectory: config.workingDir,
      environment: [{ name, value }],
    },
  };
  await mkdir(folder);
  await writeFile(join(folder, 'manifest'), JSON.stringify(manifest));
  await workshop.run('cp', '-a', workshop.rootfs, join(folder, 'rootfs'));
  const compress = compression === 'none' ? [] : [`--${compression}`];
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  await workshop.run('tar', '-C', folder, ...owner, ...compress, '-cf', path, 'manifest', 'rootfs');
  return { type: 'aci', path };
}

const common = ['buildah', 'busybox', 'docker-registry', 'skopeo'];

requires({ root: true, commands: common })('an image that another tool made is pulled or imported, and run', () => {
  let host: TestHost;
  let workshop: Workshop;
  let store: ImageStore;
  beforeAll(async () => {
    host = await startHost();
    workshop = await Workshop.open();
    store = createImageStore({ root: join(host.root, 'store'), registry: createRegistryClient() });
  });
  afterAll(async () => {
    await workshop?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  for (const { name, maker, shows, needs = {}, make } of formats) {
    const missing = whatIsMissing(needs);
    const title = missing.length > 0 ? `${name} (skipped: ${missing.join('; ')})` : name;
    it.skipIf(missing.length > 0)(title, async () => {
      const made = await make(workshop, maker);
      if (typeof made === 'string' && shows) expect(await workshop.inspect(made)).toMatch(shows);
      const image =
        typeof made === 'string' ? made : (await store.import(made, { as: `imported.invalid/${maker}:1` })).reference;
      const { termination, stdout } = await host.run({ image });
      expect(termination.exit).toMatchObject({ type: 'exited', code: 0 });
      expect(stdout).toBe(config.output(maker));
    });
  }
});
