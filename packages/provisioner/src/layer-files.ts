import { BoundedCache } from './bounded-cache.js';
import { LayerTree } from './layer-tree.js';
import { readFileOf } from './read-file.js';

const filesKept = 512;
const stacksKept = 256;
const maxKeptBytes = 64 * 1024;

/** Reads files of stacks of layers. Layers do not change, so what a small file holds, or that there is none, is kept. */
export class LayerFiles {
  readonly #kept = new BoundedCache<{ readonly content: Uint8Array | undefined }>(filesKept);
  readonly #visible = new BoundedCache<readonly string[]>(stacksKept);
  readonly #isOpaque: (path: Buffer) => boolean;

  constructor(isOpaque: (path: Buffer) => boolean) {
    this.#isOpaque = isOpaque;
  }

  /** The layers that show: those from the topmost whose root is opaque. Overlayfs heeds that mark on every folder but a root. */
  visible(layers: readonly string[]): readonly string[] {
    const key = layers.join('\0');
    const known = this.#visible.get(key);
    if (known) return known;
    const bottom = layers.findLastIndex((path) => this.#isOpaque(Buffer.from(path)));
    const visible = layers.slice(Math.max(bottom, 0));
    this.#visible.set(key, visible);
    return visible;
  }

  async read(layers: readonly string[], path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const key = [...layers, path].join('\0');
    const kept = this.#kept.get(key);
    // A kept file that is now too large is read again, for the error.
    if (kept && (kept.content?.byteLength ?? 0) <= maxBytes) return kept.content?.slice();
    const content = await readFileOf(new LayerTree(layers, this.#isOpaque), path, maxBytes);
    if (!content || content.byteLength <= maxKeptBytes) this.#kept.set(key, { content });
    return content?.slice();
  }
}
