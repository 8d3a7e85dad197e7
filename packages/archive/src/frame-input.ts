/**
 * Feeds decoders that end after one frame each from one source of chunks: keeps what has been handed out until it is
 * known to be consumed, so that the next decoder can start in the middle of a chunk.
 */
export class FrameInput {
  readonly #source: AsyncIterator<Uint8Array>;
  #isDone = false;
  #pulling: Promise<void> | undefined;
  /** Chunks of the present frame that are not wholly consumed. */
  #held: Uint8Array[] = [];
  /** Bytes of the present frame before the first held chunk. */
  #dropped = 0;
  /** How many of the held chunks have been handed out. */
  #handedOut = 0;
  #frame = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The chunks for one decoder; `consumed` tells how many bytes of them it is done with. */
  async *chunks(consumed: () => number): AsyncGenerator<Uint8Array, void, undefined> {
    const frame = this.#frame;
    // A decoder that has ended may leave this waiting for a chunk that belongs to the next one.
    while (frame === this.#frame) {
      this.#drop(consumed());
      const chunk = this.#held[this.#handedOut];
      if (chunk) {
        this.#handedOut++;
        yield chunk;
      } else if (this.#isDone) {
        return;
      } else {
        await this.#pull();
      }
    }
  }

  /** Ends the present frame after that many bytes. Returns whether there are bytes behind it. */
  async endFrame(consumed: number): Promise<boolean> {
    this.#drop(consumed);
    const [first] = this.#held;
    if (first) this.#held[0] = first.subarray(consumed - this.#dropped);
    this.#dropped = 0;
    this.#handedOut = 0;
    this.#frame++;
    while (this.#held.length === 0 && !this.#isDone) await this.#pull();
    return this.#held.length > 0;
  }

  async close(): Promise<void> {
    if (!this.#isDone) await this.#source.return?.();
  }

  #drop(consumed: number): void {
    for (let first = this.#held[0]; first; first = this.#held[0]) {
      if (this.#dropped + first.length > consumed) return;
      this.#dropped += first.length;
      this.#held.shift();
      this.#handedOut--;
    }
  }

  #pull(): Promise<void> {
    this.#pulling ??= this.#source.next().then((result) => {
      this.#pulling = undefined;
      if (result.done) this.#isDone = true;
      else if (result.value.length > 0) this.#held.push(result.value);
    });
    return this.#pulling;
  }
}
