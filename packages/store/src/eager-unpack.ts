import type { CallOptions, Descriptor, Image, ImageLayer } from '@gantry/interface';
import { BlobGrowth } from './blob-growth.js';
import type { LayerStore } from './layer-store.js';

/** Unpacks the layers of one image while they are downloaded. */
export class EagerUnpack {
  readonly #layers: LayerStore;
  readonly #options: CallOptions;
  readonly #image: Promise<Image>;
  readonly #unpackings: Promise<void>[] = [];

  /** `image` settles when the config says what the layers are, and whether they are any. */
  constructor(layers: LayerStore, image: Promise<Image>, options: CallOptions) {
    this.#layers = layers;
    this.#image = image;
    this.#options = options;
  }

  /** Follows the download of a blob, be it for one layer of the image or more. */
  async during(blob: Descriptor, download: (growth: BlobGrowth) => Promise<void>): Promise<void> {
    const growth = new BlobGrowth(blob.size);
    const downloaded = download(growth).finally(() => growth.close());
    const unpacking = this.#unpack(blob, growth, downloaded);
    // An optimisation: when all is downloaded, the layers that are missing are unpacked in any case, and errors told.
    this.#unpackings.push(unpacking.catch(() => undefined));
    await downloaded;
  }

  /** Resolves when none is being unpacked any more. */
  async settle(): Promise<void> {
    await Promise.all(this.#unpackings);
  }

  async #unpack(blob: Descriptor, growth: BlobGrowth, downloaded: Promise<void>): Promise<void> {
    const image = await this.#image;
    const layers = image.layers.filter(({ descriptor: { digest } }) => digest === blob.digest);
    const follow = (layer: ImageLayer) => this.#layers.follow(layer, image.layers, growth, downloaded, this.#options);
    await Promise.all(layers.map(follow));
  }
}
