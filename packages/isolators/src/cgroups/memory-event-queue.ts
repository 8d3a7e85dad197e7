import {
  abortedError,
  type MemoryEvent,
  type MemoryEventsOptions,
  type MemoryPressureTrigger,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import type { TellMemory } from './cgroups.js';
import { type KernelEvent, type KernelEventWatch, watchAll } from './kernel-event.js';

const what = 'following memory events';

/** The memory events of a container for one reader: what he has not taken is put together. */
export class MemoryEventQueue implements AsyncIterableIterator<MemoryEvent>, TellMemory {
  readonly #counts = new Map<string, number>();
  readonly #fired = new Set<MemoryPressureTrigger>();
  readonly #readers: (() => void)[] = [];
  #watches: readonly KernelEventWatch[];
  readonly #signals: readonly (readonly [signal: AbortSignal, listener: () => void])[];
  #isOver = false;
  #failure: unknown;

  /** `events` opens what the kernel tells them by; if it throws, nothing is left open. */
  constructor(
    { signal, ended }: Pick<MemoryEventsOptions, 'signal'> & { readonly ended: AbortSignal },
    events: (tell: TellMemory) => readonly KernelEvent[],
  ) {
    throwIfAborted(signal, what);
    const listeners: [AbortSignal, () => void][] = [[ended, () => this.#finish()]];
    if (signal) listeners.push([signal, () => this.#fail(abortedError(signal, what))]);
    this.#signals = listeners;
    this.#watches = watchAll(events(this), (error) => this.#fail(toGantryError(error, what)));
    for (const [source, listener] of listeners) source.addEventListener('abort', listener, { once: true });
    if (ended.aborted) this.#finish();
  }

  counted(name: string, times: number): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
    this.#wake();
  }

  pressed(trigger: MemoryPressureTrigger): void {
    this.#fired.add(trigger);
    this.#wake();
  }

  async next(): Promise<IteratorResult<MemoryEvent, undefined>> {
    for (;;) {
      const value = this.#take();
      if (value) return { value, done: false };
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) return { value: undefined, done: true };
      await new Promise<void>((resolve) => {
        this.#readers.push(resolve);
      });
    }
  }

  async return(): Promise<IteratorResult<MemoryEvent, undefined>> {
    this.#counts.clear();
    this.#fired.clear();
    this.#failure = undefined;
    this.#end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): MemoryEvent | undefined {
    if (this.#counts.size > 0) {
      const counts = Object.fromEntries(this.#counts);
      this.#counts.clear();
      return { type: 'limits', counts };
    }
    const [trigger] = this.#fired;
    if (!trigger) return undefined;
    this.#fired.delete(trigger);
    return { type: 'pressure', trigger };
  }

  #finish(): void {
    try {
      for (const watch of this.#watches) watch.flush();
      this.#end();
    } catch (error) {
      this.#fail(toGantryError(error, what));
    }
  }

  #fail(error: Error): void {
    this.#counts.clear();
    this.#fired.clear();
    this.#failure ??= error;
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
    for (const [source, listener] of this.#signals) source.removeEventListener('abort', listener);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#readers.splice(0)) resolve();
  }
}
