import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { MediaType, sha256 } from '@gantry/image-spec';
import type { Descriptor, Digest, Platform } from '@gantry/interface';

interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** An image as a registry holds it. */
export interface TestImage {
  readonly top: Document;
  /** The top one included. */
  readonly manifests: readonly Document[];
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
  /** Digests of the layers, lowest first. */
  readonly layers: readonly Digest[];
}

export interface TestImageOptions {
  /** Uncompressed layers; default three that are no archives but random bytes. */
  readonly layers?: readonly Uint8Array[];
  /** What the config says that the layers are; default the truth. */
  readonly diffIds?: readonly Digest[];
  readonly platform?: Platform;
  readonly docker?: boolean;
  readonly algorithm?: 'sha256' | 'sha512';
  /** Of the layers; default gzip's in the form of the rest. */
  readonly layerType?: string;
  /** Where a foreign layer says that it can be had, too. */
  readonly urls?: readonly string[];
}

const hostLike: Platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };

/** One manifest without an index. */
export function makeImage(options: TestImageOptions = {}): TestImage {
  const { layers = [1, 2, 3].map(() => randomBytes(100_000)), platform = hostLike, docker, algorithm, urls } = options;
  const { layerType = docker ? MediaType.dockerLayerGzip : MediaType.ociLayerGzip } = options;
  const digest = (bytes: Uint8Array) => digestOf(bytes, algorithm);
  const config = json({
    ...platform,
    config: { Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: options.diffIds ?? layers.map((layer) => sha256(layer)) },
    history: [{ created_by: randomBytes(8).toString('hex') }],
  });
  const packed = layers.map((layer) => gzipSync(layer, { level: 1 }));
  const manifest = json({
    schemaVersion: 2,
    mediaType: docker ? MediaType.dockerManifest : MediaType.ociManifest,
    config: {
      mediaType: docker ? MediaType.dockerConfig : MediaType.ociConfig,
      digest: digest(config),
      size: config.length,
    },
    layers: packed.map((layer) => ({
      mediaType: layerType,
      digest: digest(layer),
      size: layer.length,
      ...(urls && { urls }),
    })),
  });
  const top = document(manifest, docker ? MediaType.dockerManifest : MediaType.ociManifest, algorithm);
  const blobs = new Map([config, ...packed].map((bytes) => [digest(bytes), bytes]));
  return { top, manifests: [top], blobs, layers: packed.map(digest) };
}

/** An index over one image a platform. */
export function makeIndex(platforms: readonly Platform[], images: readonly TestImage[]): TestImage {
  const manifests = images.map((image, position) => ({ ...image.top.descriptor, platform: platforms[position] }));
  const top = document(json({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }), MediaType.ociIndex);
  return {
    top,
    manifests: [top, ...images.flatMap((image) => image.manifests)],
    blobs: new Map(images.flatMap((image) => [...image.blobs])),
    layers: images.flatMap((image) => image.layers),
  };
}

function document(bytes: Uint8Array, mediaType: string, algorithm?: 'sha256' | 'sha512'): Document {
  return { descriptor: { mediaType, digest: digestOf(bytes, algorithm), size: bytes.byteLength }, bytes };
}

function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
