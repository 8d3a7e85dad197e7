import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { digestHex, type ImageManifest, MediaType, sha256 } from '@gantry/image-spec';
import {
  type CommitOptions,
  type ContainerId,
  type Descriptor,
  type Digest,
  GantryError,
  type ImageStore,
  type Provisioner,
  type PulledImage,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { committedConfig } from './committed-config.js';
import { readDocument, readManifest } from './stored-image.js';

/** What {@link commitContainer} makes an image of. */
export interface CommittedContainer {
  readonly id: ContainerId;
  /** Digest of the manifest of the image that the container was launched from. */
  readonly digest: Digest;
}

type Parts = { readonly store: ImageStore; readonly provisioner: Provisioner };

/**
 * Makes an image of what a container changed in its root: the layers of its own image, one more, and a config that says so. The
 * format, OCI's or Docker's, is that of its own image, which must still be in the store. All or nothing.
 *
 * A container that runs meanwhile is not held: what it writes may be in the image or not, file by file, and `WRONG_STATE`
 * is thrown for a file that changes while it is read. Pause the container, or commit it again. What was mounted in the
 * container is not in the image, but the folders and empty files that it was mounted on are.
 *
 * @throws `NOT_FOUND` without the container's root or image, `UNSUPPORTED` where the provisioner's backend cannot tell
 * changes, `INVALID_DOCUMENT` for a config that no image could have, `INVALID_ARGUMENT` for the reference, `WRONG_STATE`,
 * `ABORTED`, `SYSTEM`.
 */
export async function commitContainer(
  { store, provisioner }: Parts,
  container: CommittedContainer,
  options: CommitOptions,
): Promise<PulledImage> {
  const what = `commit of container ${container.id}`;
  throwIfAborted(options.signal, what);
  if (!provisioner.changes) {
    throw new GantryError('UNSUPPORTED', `${what}: this provisioner does not tell changes`, {
      details: { id: container.id },
    });
  }
  try {
    const { manifest: base } = await readManifest(store, container.digest);
    const folder = await mkdtemp(join(options.workFolder ?? tmpdir(), 'gantry-commit-'));
    try {
      const layout = new Layout(folder);
      const { layer, diffId } = await layout.addLayer(provisioner.changes(container.id, options), base, options.signal);
      const { author, comment, config = {} } = options;
      const configBytes = committedConfig(await readDocument(store, base.config.digest), config, {
        diffId,
        at: Date.now(),
        createdBy: `commit of container ${container.id}`,
        ...(author === undefined ? {} : { author }),
        ...(comment === undefined ? {} : { comment }),
      });
      await layout.finish(base, configBytes, layer);
      const { signal, onProgress, as } = options;
      const calls = { ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) };
      // What the store has is not asked of the layout: it holds the new layer alone.
      return await store.import({ type: 'oci-layout', path: folder }, { as, ...calls });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } catch (error) {
    throwIfAborted(options.signal, what);
    throw toGantryError(error, what);
  }
}

/** An OCI image layout with the new parts of one image. OCI image-spec, image-layout.md. */
class Layout {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes a layer archive as a compressed blob. */
  async addLayer(
    archive: AsyncIterable<Uint8Array>,
    { mediaType }: ImageManifest,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly layer: Descriptor; readonly diffId: Digest }> {
    await mkdir(this.#blob(''), { recursive: true });
    const [diff, blob] = [createHash('sha256'), createHash('sha256')];
    const unnamed = join(this.#folder, 'layer');
    const target = createWriteStream(unnamed, { flags: 'wx', mode: 0o600 });
    await pipeline(archive, hashing(diff), createGzip(), hashing(blob), target, { ...(signal ? { signal } : {}) });
    const digest: Digest = `sha256:${blob.digest('hex')}`;
    await rename(unnamed, this.#blob(digestHex(digest)));
    const layerType = mediaType === MediaType.dockerManifest ? MediaType.dockerLayerGzip : MediaType.ociLayerGzip;
    return {
      layer: { mediaType: layerType, digest, size: target.bytesWritten },
      diffId: `sha256:${diff.digest('hex')}`,
    };
  }

  /** Writes the config, the manifest and what makes a folder a layout. */
  async finish(base: ImageManifest, configBytes: Uint8Array, layer: Descriptor): Promise<void> {
    const config = await this.#addDocument(configBytes, base.config.mediaType);
    const document = { schemaVersion: 2, mediaType: base.mediaType, config, layers: [...base.layers, layer] };
    const manifest = await this.#addDocument(Buffer.from(JSON.stringify(document)), base.mediaType);
    const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [manifest] };
    await writeFile(join(this.#folder, 'index.json'), JSON.stringify(index));
    await writeFile(join(this.#folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  }

  async #addDocument(bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
    const digest = sha256(bytes);
    await writeFile(this.#blob(digestHex(digest)), bytes);
    return { mediaType, digest, size: bytes.byteLength };
  }

  #blob(hex: string): string {
    return join(this.#folder, 'blobs', 'sha256', hex);
  }
}

/** Passes on what it has hashed. */
function hashing(hash: ReturnType<typeof createHash>) {
  return async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of source) {
      hash.update(piece);
      yield piece;
    }
  };
}
