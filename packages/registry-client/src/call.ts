import {
  abortedError,
  type Credentials,
  GantryError,
  type ProgressEvent,
  type RegistryCallOptions,
} from '@gantry/interface';

/**
 * One call of the client while it lasts: its name for messages, its login, and one signal that fires with the
 * error to throw, be it the caller's abort or the total deadline.
 */
export class Call {
  readonly what: string;
  readonly registry: string;
  readonly credentials: Credentials | undefined;
  /** The most attempts at one request. */
  readonly attempts: number;
  readonly #options: RegistryCallOptions;
  readonly #controller = new AbortController();
  readonly #secrets = new Set<string>();
  readonly #totalMs: number;
  #deadline: NodeJS.Timeout | undefined;
  #inTurn = true;
  readonly #onAbort: () => void;

  constructor(
    what: string,
    registry: string,
    options: RegistryCallOptions,
    credentials: Credentials | undefined,
    totalMs: number,
    attempts = Number.POSITIVE_INFINITY,
  ) {
    this.what = what;
    this.registry = registry;
    this.credentials = credentials;
    this.attempts = attempts;
    this.#options = options;
    const { password, identityToken, registryToken } = credentials ?? {};
    for (const secret of [password, identityToken, registryToken]) if (secret) this.addSecret(secret);

    const { signal } = options;
    this.#onAbort = () => signal && this.#controller.abort(abortedError(signal, what));
    if (signal?.aborted) this.#onAbort();
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#totalMs = totalMs;
    this.#runDeadline();
  }

  /** A part of this call at a mirror: with a login and a deadline of its own, and no second attempt. */
  at(mirror: string, credentials: Credentials | undefined, deadlineMs: number): Call {
    const options = { signal: this.signal, onProgress: (event: ProgressEvent) => this.report(event) };
    const part = new Call(`${this.what} from mirror ${mirror}`, mirror, options, credentials, deadlineMs, 1);
    part.#inTurn = false;
    part.liftDeadline();
    return part;
  }

  /** A request of it is about to be sent: the deadline of a part runs from here, not while it waits for its turn. */
  takeTurn(): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    this.#runDeadline();
  }

  /** Fires at the caller's abort and at the total deadline; its reason is the error to throw. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  throwIfEnded(): void {
    if (this.signal.aborted) throw this.signal.reason;
  }

  /** What a listener throws becomes an uncaught error of the host program's own, not ours. */
  report(event: ProgressEvent): void {
    try {
      this.#options.onProgress?.(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** From now on {@link redact} blots it out. */
  addSecret(secret: string): void {
    this.#secrets.add(secret);
  }

  /** Text of a server without the secrets that it was sent and may have echoed. */
  redact(text: string): string {
    let clean = text;
    for (const secret of this.#secrets) clean = clean.replaceAll(secret, '[redacted]');
    return clean;
  }

  /** From now on it may last as long as it moves. */
  liftDeadline(): void {
    clearTimeout(this.#deadline);
  }

  /** Lets go of the caller's signal and of the timer. */
  end(): void {
    this.liftDeadline();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }

  #runDeadline(): void {
    this.#deadline = setTimeout(() => {
      this.#controller.abort(new GantryError('TIMEOUT', `${this.what}: not done within ${this.#totalMs} ms`));
    }, this.#totalMs);
  }
}
