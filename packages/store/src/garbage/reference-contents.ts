import { chainIds, isIndexType, isManifestType, parseImageConfig, parseManifest } from '@gantry/image-spec';
import { type Descriptor, type Digest, isGantryError } from '@gantry/interface';
import type { BlobStore } from '../blob-store.js';
import { maxIndexDepth } from '../manifest-walk.js';

const maxKept = 4096;

/** All that a reference leads to, for every platform that was fetched. */
export interface ReferenceContents {
  readonly manifests: ReadonlySet<Digest>;
  /** Also such as are missing: when some of an image is lost, the rest stays for the pull that mends it. */
  readonly blobs: ReadonlySet<Digest>;
  /** Chain ids. */
  readonly layers: ReadonlySet<Digest>;
}

/** What one document names. Documents never change under their digest. */
interface Links {
  readonly children: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers: readonly Descriptor[];
}

interface Found {
  readonly manifests: Set<Digest>;
  readonly blobs: Set<Digest>;
  readonly layers: Set<Digest>;
}

/** Follows references to blobs and layers; remembers what documents say. */
export class ReferenceWalk {
  readonly #blobs: BlobStore;
  readonly #links = new Map<Digest, Links>();
  readonly #chains = new Map<Digest, readonly Digest[]>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async contents(top: Descriptor): Promise<ReferenceContents> {
    const found: Found = { manifests: new Set(), blobs: new Set(), layers: new Set() };
    await this.#visit(top, found, 0);
    return found;
  }

  async #visit(document: Descriptor, found: Found, depth: number): Promise<void> {
    if (depth > maxIndexDepth + 1 || found.blobs.has(document.digest)) return;
    found.blobs.add(document.digest);
    const links = await remembered(this.#links, document.digest, () => this.#readLinks(document));
    if (!isIndexType(document.mediaType)) found.manifests.add(document.digest);
    for (const child of links?.children ?? []) {
      if (await this.#blobs.has(child)) await this.#visit(child, found, depth + 1);
    }
    for (const layer of links?.layers ?? []) found.blobs.add(layer.digest);
    if (!links?.config) return;
    const { config } = links;
    found.blobs.add(config.digest);
    const chain = await remembered(this.#chains, config.digest, () => this.#readChain(config));
    for (const chainId of chain ?? []) found.layers.add(chainId);
  }

  async #readLinks(document: Descriptor): Promise<Links | undefined> {
    const bytes = await this.#blobs.readDocument(document);
    const parsed = bytes && orUndefined(() => parseManifest(bytes, document.mediaType));
    if (!parsed) return undefined;
    if (parsed.kind === 'manifest') {
      return { children: [], config: parsed.manifest.config, layers: parsed.manifest.layers };
    }
    const children = parsed.index.manifests.filter(
      ({ mediaType }) => isIndexType(mediaType) || isManifestType(mediaType),
    );
    return { children, layers: [] };
  }

  async #readChain(config: Descriptor): Promise<readonly Digest[] | undefined> {
    const bytes = await this.#blobs.readDocument(config);
    return bytes && orUndefined(() => chainIds(parseImageConfig(bytes).diffIds));
  }
}

/** A document that does not hold together leads nowhere, which is for whoever wants the image to complain of. */
function orUndefined<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (isGantryError(error)) return undefined;
    throw error;
  }
}

async function remembered<T>(
  memory: Map<Digest, T>,
  digest: Digest,
  read: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const known = memory.get(digest) ?? (await read());
  if (known === undefined) return undefined;
  if (memory.size >= maxKept) memory.clear();
  memory.set(digest, known);
  return known;
}
