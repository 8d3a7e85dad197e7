import { type Digest, type Image, raceAbort } from '@gantry/interface';
import { blobsOf } from '../image-blobs.js';
import type { Hold, Holds } from './holds.js';

interface Lingering {
  /** Of the image's manifest. */
  readonly digest: Digest;
  readonly hold: Promise<Hold>;
  users: number;
  /** Until when somebody without a lease counts on it. */
  neededUntil: number;
  timer: NodeJS.Timeout | undefined;
}

/** After a lease's release: an image whose containers come one after the other is then not held anew for each. */
const releaseLingerMs = 1_000;

/**
 * Holds on images that outlast the call they are for by a while, for what its caller does next with them. Calls for an
 * image within that time share one hold, so that all but the first cost nothing. With the release of a lease the wait is over.
 */
export class ImageHolds {
  readonly #holds: Holds;
  readonly #lingerMs: number;
  readonly #lingering = new Map<Digest, Lingering>();
  /** Images by the leases that this store has taken, and the other way round. */
  readonly #leases = new Map<string, readonly Image[]>();
  readonly #leasedBy = new Map<Digest, Set<string>>();

  constructor(holds: Holds, lingerMs: number) {
    this.#holds = holds;
    this.#lingerMs = lingerMs;
  }

  /** Runs `work` under holds on the blobs and layers of images. */
  async during<T>(
    images: readonly Image[],
    what: string,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    const entries = images.map((image) => this.#enter(image, what));
    try {
      for (const { hold } of entries) await raceAbort(hold, signal, what);
      return await work();
    } finally {
      for (const entry of entries) await this.#leave(entry);
    }
  }

  #enter(image: Image, what: string): Lingering {
    const entry = this.#lingering.get(image.digest) ?? this.#take(image, what);
    entry.users++;
    clearTimeout(entry.timer);
    return entry;
  }

  leased(id: string, images: readonly Image[]): void {
    this.#unlist(id);
    this.#leases.set(id, images);
    for (const { digest } of images) {
      const ids = this.#leasedBy.get(digest) ?? new Set();
      this.#leasedBy.set(digest, ids.add(id));
    }
  }

  /** Has the holds on a lease's images that only outlast their calls end soon. */
  released(id: string): void {
    for (const { digest } of this.#unlist(id)) {
      const entry = this.#lingering.get(digest);
      const isIdle = entry?.users === 0 && entry.neededUntil <= performance.now();
      if (!isIdle || this.#leasedBy.has(digest)) continue;
      clearTimeout(entry.timer);
      entry.timer = setTimeout(() => void this.#end(entry), Math.min(this.#lingerMs, releaseLingerMs)).unref();
    }
  }

  #unlist(id: string): readonly Image[] {
    const images = this.#leases.get(id) ?? [];
    this.#leases.delete(id);
    for (const { digest } of images) {
      const ids = this.#leasedBy.get(digest);
      ids?.delete(id);
      if (ids?.size === 0) this.#leasedBy.delete(digest);
    }
    return images;
  }

  async #leave(entry: Lingering): Promise<void> {
    entry.users--;
    if (!this.#leasedBy.has(entry.digest)) entry.neededUntil = performance.now() + this.#lingerMs;
    if (entry.users > 0 || this.#lingering.get(entry.digest) !== entry) return;
    if (this.#lingerMs === 0) await this.#end(entry);
    else entry.timer = setTimeout(() => void this.#end(entry), this.#lingerMs).unref();
  }

  #take(image: Image, what: string): Lingering {
    const claims = {
      blobs: blobsOf(image).map((blob) => blob.digest),
      layers: image.layers.map((layer) => layer.chainId),
    };
    const { digest } = image;
    const entry: Lingering = {
      digest,
      hold: this.#holds.take(claims, what),
      users: 0,
      neededUntil: 0,
      timer: undefined,
    };
    this.#lingering.set(digest, entry);
    entry.hold.catch(() => this.#forget(entry));
    return entry;
  }

  async #end(entry: Lingering): Promise<void> {
    clearTimeout(entry.timer);
    this.#forget(entry);
    try {
      await (await entry.hold).release();
    } catch (error) {
      // It then ends with the process, and all that it costs until then is space.
      process.emitWarning(error instanceof Error ? error : String(error), { code: 'GANTRY_LEFTOVER' });
    }
  }

  #forget(entry: Lingering): void {
    if (this.#lingering.get(entry.digest) === entry) this.#lingering.delete(entry.digest);
  }
}
