import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, GantryError, type GarbageOptions, type GarbageReport, type ImageStore } from '@gantry/interface';

/** When and how far a store is cleaned up by itself. */
export interface GarbageCollectorOptions extends Pick<GarbageOptions, 'olderThanMs' | 'exclude'> {
  /** Percent of the file system in use at which collection starts. Default 85. */
  readonly highPercent?: number;
  /** Percent in use at which it stops. Default 75; below `highPercent`. */
  readonly lowPercent?: number;
  /** Milliseconds between two looks at the file system. Default 60 000. */
  readonly intervalMs?: number;
  /** Told of every collection. */
  readonly onReport?: (report: GarbageReport) => void;
  /** Told of every one that failed; the next is tried all the same. By default a process warning. */
  readonly onError?: (error: unknown) => void;
}

/** Ends with its disposal, which waits for a collection that is under way. */
export interface RunningGarbageCollector extends AsyncDisposable {
  /** Looks now. Resolves with the report, or undefined if there is space enough. */
  check(): Promise<GarbageReport | undefined>;
}

/**
 * Keeps the file system of a store below a high mark: looks at it now and at every interval, and collects garbage
 * down to the low mark when it is passed. It does not keep the process alive. `INVALID_ARGUMENT` for marks that are no
 * percentages or the wrong way round.
 */
export function startGarbageCollector(
  store: ImageStore,
  options: GarbageCollectorOptions = {},
): RunningGarbageCollector {
  return new IntervalCollector(store, options);
}

class IntervalCollector implements RunningGarbageCollector {
  readonly #store: ImageStore;
  readonly #options: GarbageCollectorOptions;
  readonly #high: number;
  readonly #low: number;
  readonly #timer: NodeJS.Timeout;
  readonly #end = new AbortController();
  #running: Promise<GarbageReport | undefined> | undefined;

  constructor(store: ImageStore, options: GarbageCollectorOptions) {
    const { highPercent = 85, lowPercent = 75, intervalMs = 60_000 } = options;
    requireRange('highPercent', highPercent, 0, 100);
    requireRange('lowPercent', lowPercent, 0, highPercent);
    requireRange('intervalMs', intervalMs, 1, 2 ** 31 - 1);
    this.#store = store;
    this.#options = options;
    this.#high = highPercent;
    this.#low = lowPercent;
    this.#timer = setInterval(() => this.#look(), intervalMs).unref();
    this.#look();
  }

  check(): Promise<GarbageReport | undefined> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort(new Error('the garbage collector was disposed of'));
    await this.#running?.catch(() => undefined);
  }

  #look(): void {
    this.check().then(
      (report) => report && this.#options.onReport?.(report),
      (error: unknown) => {
        if (!this.#end.signal.aborted) this.#tell(error);
      },
    );
  }

  #tell(error: unknown): void {
    if (this.#options.onError) this.#options.onError(error);
    else process.emitWarning(error instanceof Error ? error : String(error), { code: 'GANTRY_GARBAGE' });
  }

  async #collect(): Promise<GarbageReport | undefined> {
    const usage = await fileSystemOf(this.#store);
    if (!usage || usage.usedPercent <= this.#high) return undefined;
    const { olderThanMs, exclude } = this.#options;
    return this.#store.collectGarbage({
      ...(olderThanMs !== undefined && { olderThanMs }),
      ...(exclude && { exclude }),
      untilFreeBytes: Math.ceil(usage.bytes * (1 - this.#low / 100)),
      signal: this.#end.signal,
    });
  }
}

/** Undefined while there is no store yet. */
async function fileSystemOf(store: ImageStore): Promise<{ bytes: number; usedPercent: number } | undefined> {
  try {
    const { blocks, bavail, bsize } = await statfs(dirname(store.layoutPath));
    return { bytes: blocks * bsize, usedPercent: 100 * (1 - bavail / blocks) };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function requireRange(field: string, value: number, least: number, most: number): void {
  if (typeof value === 'number' && value >= least && value <= most) return;
  throw new GantryError(
    'INVALID_ARGUMENT',
    `garbage collector option ${field}: want a number from ${least} to ${most}`,
    {
      details: { field },
    },
  );
}
