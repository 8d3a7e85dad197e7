import { GantryError } from '@gantry/interface';

/** What of a {@link GrowingBlob} goes to `applyLayer`, and on to its thread. */
export interface GrowingBlobHandle {
  /** Bytes that the whole blob is to have. */
  readonly size: number;
  /** One 64-bit integer: how many bytes can be read, 2^62 more at the end, -1 after a failure. */
  readonly cell: SharedArrayBuffer;
}

/**
 * A blob file whose writer is still at it. The writer says how far the file may be read; `applyLayer` unpacks what is
 * there, and waits for more, in the thread that it has: so the writer ends with `end` or `fail` whatever happens. One writer,
 * any number of readers.
 */
export interface GrowingBlob {
  readonly handle: GrowingBlobHandle;
  /** That many bytes from the start of the file are written, and stay as they are. Less than before changes nothing. */
  advance(bytes: number): void;
  /** The file is complete: no more bytes than those advanced to will come. */
  end(): void;
  /** The file will not be completed, or its bytes are no longer to be trusted: every reader fails with `CLOSED`. Final, also after `end`. */
  fail(): void;
}

const ended = 1n << 62n;
const failed = -1n;

/** Starts a blob of that many bytes, of which none is written yet. `INVALID_ARGUMENT` for a size that is none. */
export function createGrowingBlob(size: number): GrowingBlob {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new GantryError('INVALID_ARGUMENT', `size ${size} of a growing blob is not a whole number of bytes`, {
      details: { field: 'size' },
    });
  }
  const shared = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
  const cell = new BigInt64Array(shared);
  let available = 0;
  const publish = (value: bigint) => {
    if (Atomics.load(cell, 0) === failed) return;
    Atomics.store(cell, 0, value);
    Atomics.notify(cell, 0);
  };
  return {
    handle: { size, cell: shared },
    advance(bytes) {
      if (!Number.isSafeInteger(bytes) || bytes <= available || Atomics.load(cell, 0) >= ended) return;
      available = bytes;
      publish(BigInt(bytes));
    },
    end: () => publish(ended + BigInt(available)),
    fail: () => publish(failed),
  };
}

/** Whether more of it may come. */
export function isStillGrowing({ cell }: GrowingBlobHandle): boolean {
  const value = Atomics.load(new BigInt64Array(cell), 0);
  return value !== failed && value < ended;
}

/** How far a file can be read, and whether it ends there. */
export interface Extent {
  readonly available: number;
  readonly isComplete: boolean;
}

/** The reading side, for a worker thread. */
export class GrowingBlobReader {
  readonly #cell: BigInt64Array;

  constructor({ cell }: GrowingBlobHandle) {
    this.#cell = new BigInt64Array(cell);
  }

  /** Throws `CLOSED` if the writer has failed. */
  extent(): Extent {
    const value = Atomics.load(this.#cell, 0);
    if (value === failed) throw new GantryError('CLOSED', 'the blob was given up before it was complete');
    return { available: Number(value % ended), isComplete: value >= ended };
  }

  /** Holds the thread until there is more than before, or the end. An end of the thread ends the wait as well. */
  waitBeyond(available: number): Extent {
    for (;;) {
      const extent = this.extent();
      if (extent.isComplete || extent.available > available) return extent;
      Atomics.wait(this.#cell, 0, BigInt(extent.available));
    }
  }
}
