import { createGrowingBlob, type GrowingBlobHandle } from '@gantry/archive';
import type { WriteObserver } from './blob-store.js';

/** A blob on its way to disk, for one who reads its file while it is written. */
export class BlobGrowth implements WriteObserver {
  /** Where it is written to; undefined if nobody had to write it. */
  readonly path: Promise<string | undefined>;
  /** Resolves once no more bytes will come. */
  readonly settled: Promise<void>;
  readonly #growing;
  #hasPath: (path: string | undefined) => void = () => undefined;
  #settle: () => void = () => undefined;

  constructor(size: number) {
    this.#growing = createGrowingBlob(size);
    this.path = new Promise((resolve) => {
      this.#hasPath = resolve;
    });
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get handle(): GrowingBlobHandle {
    return this.#growing.handle;
  }

  started(path: string): void {
    this.#hasPath(path);
  }

  written(bytes: number): void {
    this.#growing.advance(bytes);
  }

  verified(): void {
    this.#growing.end();
    this.#settle();
  }

  failed(): void {
    this.#growing.fail();
    this.#settle();
  }

  /** The download is over, also if another one had brought the blob already. */
  close(): void {
    this.#hasPath(undefined);
    this.#settle();
  }
}
