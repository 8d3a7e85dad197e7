import { createReadStream } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestAlgorithm, digestHex } from '@gantry/image-spec';
import type { Descriptor, Digest } from '@gantry/interface';
import { blobPath, writeIndex } from './layout.js';

/** A layer of an image that was built. */
export interface BuiltLayer {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed archive. */
  readonly diffId: Digest;
}

/** An image on disk, ready to be pushed. */
export interface BuiltImage extends AsyncDisposable {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly BuiltLayer[];
  /** Streams the manifest, the config or a layer. */
  read(descriptor: Descriptor): AsyncIterable<Uint8Array>;
  /** Writes an OCI image layout that holds this image alone, under the name `ref` (default `latest`). Makes the folder if it is absent. */
  writeLayout(folder: string, ref?: string): Promise<void>;
  /** Removes the files, unless they belong to the cache of built images. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A built image whose blobs are in a folder of the image layout form. */
export class LayoutImage implements BuiltImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly BuiltLayer[];
  readonly #folder: string;
  readonly #cached: boolean;

  constructor(parts: Pick<BuiltImage, 'manifest' | 'config' | 'layers'>, folder: string, cached: boolean) {
    this.manifest = parts.manifest;
    this.config = parts.config;
    this.layers = parts.layers;
    this.#folder = folder;
    this.#cached = cached;
  }

  read({ digest }: Descriptor): AsyncIterable<Uint8Array> {
    return createReadStream(blobPath(this.#folder, digest));
  }

  async writeLayout(folder: string, ref = 'latest'): Promise<void> {
    const blobs = [this.manifest, this.config, ...this.layers.map(({ descriptor }) => descriptor)];
    for (const { digest } of blobs) {
      await mkdir(join(folder, 'blobs', digestAlgorithm(digest)), { recursive: true });
      await copyFile(blobPath(this.#folder, digest), join(folder, 'blobs', digestAlgorithm(digest), digestHex(digest)));
    }
    await writeIndex(folder, this.manifest, ref);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#cached) await rm(this.#folder, { recursive: true, force: true });
  }
}
