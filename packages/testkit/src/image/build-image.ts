import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { hostPlatform, MediaType, sha256 } from '@gantry/image-spec';
import {
  type CallOptions,
  type Descriptor,
  type Digest,
  type Platform,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { type BuiltImage, type BuiltLayer, LayoutImage } from './built-image.js';
import type { LayerInput } from './layer-entry.js';
import { blobPath } from './layout.js';
import { tarLayer } from './tar-layer.js';

/** How an image wants to run, in the spelling of OCI image-spec, config.md. */
export interface BuildConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, Readonly<Record<string, never>>>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, Readonly<Record<string, never>>>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
}

export interface BuildOptions extends Pick<CallOptions, 'signal'> {
  /** Lowest first. */
  readonly layers: readonly LayerInput[];
  readonly config?: BuildConfig;
  /** Default `oci`; `docker` is Docker's manifest schema 2. */
  readonly format?: 'oci' | 'docker';
  /** Default: this machine's, with os `linux`. */
  readonly platform?: Platform;
  /** Default true. */
  readonly gzip?: boolean;
}

/**
 * Builds an image without root: files exist only as entries of its archives. The blobs are in a temporary folder until
 * the image is disposed of. Equal input gives an equal digest (with the same zlib). `ABORTED`, `INVALID_ARGUMENT`, `SYSTEM`.
 */
export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-image-'));
  try {
    return new LayoutImage(await buildInto(folder, options), folder, false);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throwIfAborted(options.signal, 'image build');
    throw toGantryError(error, 'image build');
  }
}

/** Writes the blobs of an image into a folder in the layout form. */
export async function buildInto(
  folder: string,
  options: BuildOptions,
): Promise<Pick<BuiltImage, 'manifest' | 'config' | 'layers'>> {
  const { format = 'oci', gzip = true, signal } = options;
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  const layers: BuiltLayer[] = [];
  for (const layer of options.layers)
    layers.push(await buildLayer(folder, layer, layerType(format, gzip), gzip, signal));
  const types =
    format === 'oci'
      ? { manifest: MediaType.ociManifest, config: MediaType.ociConfig }
      : { manifest: MediaType.dockerManifest, config: MediaType.dockerConfig };
  const config = await writeDocument(folder, types.config, configDocument(options, layers));
  const manifest = await writeDocument(folder, types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  return { manifest, config, layers };
}

function layerType(format: 'oci' | 'docker', gzip: boolean): string {
  if (format === 'oci') return gzip ? MediaType.ociLayerGzip : MediaType.ociLayer;
  return gzip ? MediaType.dockerLayerGzip : MediaType.dockerLayer;
}

function configDocument(
  { platform = hostPlatform(), config = {} }: BuildOptions,
  layers: readonly BuiltLayer[],
): unknown {
  return {
    created: '1970-01-01T00:00:00Z',
    architecture: platform.architecture,
    os: 'linux',
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map((_, index) => ({ created: '1970-01-01T00:00:00Z', created_by: `layer ${index}` })),
  };
}

async function writeDocument(folder: string, mediaType: string, document: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document));
  const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
  await writeFile(blobPath(folder, descriptor.digest), bytes);
  return descriptor;
}

async function buildLayer(
  folder: string,
  layer: LayerInput,
  mediaType: string,
  gzip: boolean,
  signal: AbortSignal | undefined,
): Promise<BuiltLayer> {
  const file = join(folder, 'layer');
  const archive = new Meter();
  const blob = new Meter();
  const compressor = gzip ? createGzip() : new PassThrough();
  await pipeline(tarLayer(layer), archive, compressor, blob, createWriteStream(file), { signal });
  const descriptor = { mediaType, digest: blob.digest(), size: blob.size };
  await rename(file, blobPath(folder, descriptor.digest));
  return { descriptor, diffId: archive.digest() };
}

/** Passes bytes on, counted and hashed. */
class Meter extends Transform {
  readonly #hash = createHash('sha256');
  size = 0;

  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}`;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error: null, chunk: Buffer) => void): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    done(null, chunk);
  }
}
