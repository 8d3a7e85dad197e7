import { type FSWatcher, watch } from 'node:fs';
import { type CallOptions, toGantryError } from '@gantry/interface';
import { loadNetworkConfigurations, type NetworkConfigurations } from './config-folder.js';

/** Milliseconds of quiet after a change before the folder is read: who writes a file makes several. */
const quietTime = 20;

/** Milliseconds after which it is read although it goes on changing. */
const longestWait = 500;

/**
 * The configurations of a folder, at once and after every change of them. Changes while nobody reads count as one. Ends when the
 * signal fires, or with `SYSTEM` if the folder is not there or goes away.
 */
export async function* watchNetworkConfigurations(
  folder: string,
  { signal }: Pick<CallOptions, 'signal'> = {},
): AsyncGenerator<NetworkConfigurations, void, undefined> {
  if (signal?.aborted) return;
  const changes = new Changes(folder);
  const stop = () => changes.stop();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    let last: string | undefined;
    do {
      const loaded = loadNetworkConfigurations(folder);
      const text = JSON.stringify(loaded);
      if (text !== last) yield loaded;
      last = text;
    } while (await changes.next());
  } finally {
    signal?.removeEventListener('abort', stop);
    changes.stop();
  }
}

/** Changes in a folder and in those below it, told one at a time. */
class Changes {
  readonly #watcher: FSWatcher;
  #pending = false;
  #stopped = false;
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #first: number | undefined;
  #wake: () => void = () => undefined;

  constructor(folder: string) {
    const fail = (error: unknown) => {
      this.#failure = toGantryError(error, `watching ${folder}`);
      this.#wake();
    };
    try {
      this.#watcher = watch(folder, { recursive: true });
    } catch (error) {
      throw toGantryError(error, `watching ${folder}`);
    }
    this.#watcher.on('error', fail);
    this.#watcher.on('change', () => {
      this.#first ??= performance.now();
      clearTimeout(this.#timer);
      const left = this.#first + longestWait - performance.now();
      this.#timer = setTimeout(() => this.#tell(), Math.max(0, Math.min(quietTime, left)));
    });
  }

  #tell(): void {
    this.#first = undefined;
    this.#pending = true;
    this.#wake();
  }

  /** True once there was a change since it was last asked; false when it was stopped. */
  async next(): Promise<boolean> {
    while (!this.#pending && !this.#stopped && !this.#failure) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure) throw this.#failure;
    this.#pending = false;
    return !this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#watcher.close();
    this.#wake();
  }
}
