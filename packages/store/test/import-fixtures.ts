import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readTar, type TarInput, writeTar } from '@gantry/archive';
import { MediaType, sha256 } from '@gantry/image-spec';
import type { ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '../src/index.js';
import { collect } from './collect.js';
import type { TestImage } from './test-image.js';

/** A store, and a folder for what is imported into it. */
export interface ImportWorld extends AsyncDisposable {
  readonly store: ImageStore;
  readonly root: string;
  readonly sources: string;
  /** Every file of the store but the ones that every store has: what an import left. */
  left(): Promise<readonly string[]>;
}

export async function importWorld(): Promise<ImportWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-import-'));
  const [root, sources] = [join(folder, 'store'), join(folder, 'sources')];
  await mkdir(sources);
  return {
    store: createImageStore({ root, registry: createRegistryClient({ retries: { attempts: 1 } }) }),
    root,
    sources,
    async left() {
      const files = await readdir(root, { recursive: true, withFileTypes: true });
      const paths = files.filter((file) => !file.isDirectory()).map((file) => join(file.parentPath, file.name));
      const usual = new Set(['layout/oci-layout', 'layout/index.json'].map((path) => join(root, path)));
      return paths.filter((path) => !usual.has(path));
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

export async function tar(entries: readonly TarInput[]): Promise<Buffer> {
  return Buffer.concat(await collect(writeTar(entries)));
}

/** A layer with these files. */
export function layer(files: Readonly<Record<string, string>>): Promise<Buffer> {
  return tar(Object.entries(files).map(([name, body]) => ({ name, body })));
}

/** The files of an image layout; each image under its name. */
export function layoutFiles(images: readonly (readonly [name: string | undefined, image: TestImage])[]): TarInput[] {
  const manifests = images.map(([name, { top }]) => ({
    ...top.descriptor,
    ...(name !== undefined && { annotations: { 'org.opencontainers.image.ref.name': name } }),
  }));
  const documents = images.flatMap(([, image]) =>
    image.manifests.map(({ descriptor, bytes }) => [descriptor.digest, bytes] as const),
  );
  const blobs = new Map([...documents, ...images.flatMap(([, image]) => [...image.blobs])]);
  return [
    ...[...blobs].map(([digest, body]) => ({ name: `blobs/${digest.replace(':', '/')}`, body })),
    { name: 'index.json', body: JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }) },
    { name: 'oci-layout', body: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
  ];
}

export async function writeFiles(folder: string, files: readonly TarInput[]): Promise<void> {
  for (const { name, body } of files) {
    const path = join(folder, String(name));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, body as string | Uint8Array);
  }
}

/** An image as `docker save` puts it into an archive. */
export interface SavedImage {
  readonly tags: readonly string[] | null;
  readonly layers: readonly Uint8Array[];
  /** Default: of the layers as they are. */
  readonly diffIds?: readonly string[];
  readonly cmd?: readonly string[];
}

/** The entries of a `docker save` archive of Docker 1.10 to 24; `manifest.json` comes last, as it does there. */
export function savedFiles(images: readonly SavedImage[]): TarInput[] {
  const files: TarInput[] = [];
  const manifest = images.map(({ tags, layers, diffIds, cmd = ['/bin/sh'] }) => {
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        docker_version: '20.10.24',
        config: { Cmd: cmd },
        rootfs: { type: 'layers', diff_ids: diffIds ?? layers.map((one) => sha256(one)) },
      }),
    );
    const name = `${sha256(config).slice(7)}.json`;
    files.push({ name, body: config });
    const paths = layers.map((body) => {
      const path = `${sha256(body).slice(7)}/layer.tar`;
      if (!files.some((file) => file.name === path)) files.push({ name: path, body });
      return path;
    });
    return { Config: name, RepoTags: tags, Layers: paths };
  });
  return [...files, { name: 'manifest.json', body: JSON.stringify(manifest) }];
}

/** Names of the entries of an archive, and the text of its files. */
export async function readEntries(archive: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, string>> {
  const entries = new Map<string, string>();
  for await (const { name, body } of readTar(archive)) {
    entries.set(name.toString(), Buffer.concat(await collect(body)).toString());
  }
  return entries;
}
