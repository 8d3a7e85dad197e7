/**
 * Barks if, over a window of waiting, fewer bytes came than must. Only the time spent waiting for the peer counts, not
 * that in which the bytes are used. One timer serves a whole body, so that a chunk costs two readings of the clock.
 */
export class Watchdog {
  readonly #windowMs: number;
  readonly #leastBytes: number;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | undefined;
  #waitingSince: number | undefined;
  #waitedMs = 0;
  #bytes = 0;
  #ended = false;

  constructor(windowMs: number, leastBytes: number, onStall: () => void) {
    this.#windowMs = windowMs;
    this.#leastBytes = leastBytes;
    this.#onStall = onStall;
  }

  /** From now on we wait for the peer. */
  wait(): void {
    if (this.#ended) return;
    this.#waitingSince ??= performance.now();
    this.#timer ??= setTimeout(() => this.#check(), this.#windowMs);
  }

  /** Some bytes came, or went; until the next `wait` the clock stands. */
  got(bytes: number): void {
    this.#waitedMs = this.#waited();
    this.#waitingSince = undefined;
    this.#bytes += bytes;
    if (this.#bytes >= this.#leastBytes) this.#restart();
  }

  /** Ends the window; the next `wait` begins a new one. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waitingSince = undefined;
    this.#restart();
  }

  /** It does not bark any more, whoever still waits. */
  end(): void {
    this.#ended = true;
    this.stop();
  }

  #check(): void {
    this.#timer = undefined;
    const leftMs = this.#windowMs - this.#waited();
    if (leftMs <= 0) this.#onStall();
    else if (this.#waitingSince !== undefined) this.#timer = setTimeout(() => this.#check(), Math.ceil(leftMs));
  }

  #waited(): number {
    return this.#waitedMs + (this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince);
  }

  #restart(): void {
    this.#bytes = 0;
    this.#waitedMs = 0;
  }
}
