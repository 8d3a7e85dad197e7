import type { TarInput } from '@gantry/archive';
import { decodeJson, digestHex, formatReference, type JsonObject, parseReference, sha256 } from '@gantry/image-spec';
import type { Digest, Image, ImageLayer } from '@gantry/interface';
import type { BlobStore } from '../blob-store.js';
import { storedDocument } from './stored-document.js';
import { uncompressedLayer } from './uncompressed-layer.js';

const unknownTime = '1970-01-01T00:00:00Z';

/** A layer with the id of its folder. */
interface LayerFolder {
  readonly id: string;
  readonly parent: string | undefined;
  readonly layer: ImageLayer;
}

/**
 * The entries of what `docker save` writes: `manifest.json` with the config and the layers, uncompressed, for all readers
 * since Docker 1.10, and `repositories` with a `json` file a layer for older ones. Docker image specification 1.2.
 */
export async function* dockerArchiveEntries(
  image: Image,
  blobs: BlobStore,
  signal: AbortSignal | undefined,
): AsyncGenerator<TarInput, void, undefined> {
  const config = await storedDocument(image.configDescriptor, blobs);
  const folders = layerFolders(image);
  const tars = new Map<Digest, string>();
  for (const [position, { id, parent, layer }] of folders.entries()) {
    const top = position === folders.length - 1 ? config : undefined;
    yield { name: `${id}/`, type: 'directory' };
    yield { name: `${id}/VERSION`, body: '1.0' };
    yield { name: `${id}/json`, body: layerJson(id, parent, image, top) };
    const earlier = tars.get(layer.diffId);
    if (earlier !== undefined) {
      yield { name: `${id}/layer.tar`, type: 'symlink', linkName: `../${earlier}` };
      continue;
    }
    tars.set(layer.diffId, `${id}/layer.tar`);
    yield { name: `${id}/layer.tar`, ...(await uncompressedLayer(layer, blobs, signal)) };
  }
  const configName = `${digestHex(image.configDescriptor.digest)}.json`;
  yield { name: configName, body: config };
  const tag = repositoryTag(image.reference);
  const layers = image.layers.map((layer) => tars.get(layer.diffId));
  const repoTags = tag ? [`${tag.repository}:${tag.tag}`] : null;
  yield { name: 'manifest.json', body: JSON.stringify([{ Config: configName, RepoTags: repoTags, Layers: layers }]) };
  const top = folders.at(-1);
  if (tag && top) yield { name: 'repositories', body: JSON.stringify({ [tag.repository]: { [tag.tag]: top.id } }) };
}

/** Docker makes up ids; these follow from the content, the topmost one's from the config too, which is its own to tell. */
function layerFolders({ layers, configDescriptor }: Image): readonly LayerFolder[] {
  const ids = layers.map(({ chainId }, position) =>
    hexOf(position === layers.length - 1 ? `${chainId} ${configDescriptor.digest}` : chainId),
  );
  return layers.flatMap((layer, position) => {
    const id = ids[position];
    return id === undefined ? [] : [{ id, parent: ids[position - 1], layer }];
  });
}

function hexOf(text: string): string {
  return digestHex(sha256(new TextEncoder().encode(text)));
}

/** The layer as an image of version 1; the topmost one has the image's config. */
function layerJson(id: string, parent: string | undefined, image: Image, config: Uint8Array | undefined): string {
  const own = config && (decodeJson(config, { what: 'image config' }) as JsonObject);
  return JSON.stringify({
    id,
    ...(parent !== undefined && { parent }),
    created: image.config.created ?? unknownTime,
    ...(own && { config: own['config'] ?? {}, architecture: own['architecture'], os: own['os'] }),
  });
}

/** Name and tag of a reference; undefined for one by digest alone, which Docker keeps no name for. */
function repositoryTag(reference: string): { readonly repository: string; readonly tag: string } | undefined {
  const { registry, repository, tag } = parseReference(reference);
  if (tag === undefined) return undefined;
  return { repository: formatReference({ registry, repository }), tag };
}
