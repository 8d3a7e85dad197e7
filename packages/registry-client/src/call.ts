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
  readonly #options: RegistryCallOptions;
  readonly #controller = new AbortController();
  readonly #secrets = new Set<string>();
  readonly #deadline: NodeJS.Timeout;
  readonly #onAbort: () => void;

  constructor(
    what: string,
    registry: string,
    options: RegistryCallOptions,
    credentials: Credentials | undefined,
    totalMs: number,
  ) {
    this.what = what;
    this.registry = registry;
    this.credentials = credentials;
    this.#options = options;
    for (const secret of [credentials?.password, credentials?.identityToken]) if (secret) this.addSecret(secret);

    const { signal } = options;
    this.#onAbort = () => signal && this.#controller.abort(abortedError(signal, what));
    if (signal?.aborted) this.#onAbort();
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#deadline = setTimeout(() => {
      this.#controller.abort(new GantryError('TIMEOUT', `${what}: not done within ${totalMs} ms`));
    }, totalMs);
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

  /** Lets go of the caller's signal and of the timer. */
  end(): void {
    clearTimeout(this.#deadline);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }
}
