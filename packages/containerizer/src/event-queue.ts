import {
  abortedError,
  type CallOptions,
  type ContainerizerEvent,
  GantryError,
  throwIfAborted,
} from '@gantry/interface';

/** Events that wait for a reader at most: far more than a reader who keeps up ever leaves. */
const maxWaiting = 100_000;

/** The events of a containerizer from now on, for one reader. */
export class EventQueue implements AsyncIterableIterator<ContainerizerEvent> {
  readonly #waiting: ContainerizerEvent[] = [];
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (queue: EventQueue) => void;
  #failure: GantryError | undefined;
  #ended = false;
  readonly #readers: (() => void)[] = [];

  constructor({ signal }: Pick<CallOptions, 'signal'>, onEnd: (queue: EventQueue) => void) {
    throwIfAborted(signal, 'following events');
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal?.addEventListener('abort', this.#abort, { once: true });
  }

  push(event: ContainerizerEvent): void {
    if (this.#waiting.length < maxWaiting) this.#waiting.push(event);
    else
      this.end(new GantryError('LIMIT_EXCEEDED', `following events: ${maxWaiting} wait to be read; read them faster`));
    this.#wake();
  }

  /** No more will come; the reader still gets those that wait, and then the failure, if any. */
  end(failure?: GantryError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#onEnd(this);
    this.#wake();
  }

  async next(): Promise<IteratorResult<ContainerizerEvent, undefined>> {
    while (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#readers.push(resolve);
      });
    }
    const value = this.#waiting.shift();
    if (value) return { value, done: false };
    if (this.#failure) throw this.#failure;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<ContainerizerEvent, undefined>> {
    this.#waiting.length = 0;
    this.#failure = undefined;
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    for (const resolve of this.#readers.splice(0)) resolve();
  }

  #abort = (): void => {
    this.#waiting.length = 0;
    if (this.#signal) this.end(abortedError(this.#signal, 'following events'));
  };
}
