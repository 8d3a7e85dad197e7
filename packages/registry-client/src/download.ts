import { type Descriptor, GantryError } from '@gantry/interface';
import { BlobCheck } from './blob-check.js';
import type { Call } from './call.js';
import { again, Fault, never } from './fault.js';
import { contentLength, type Reply } from './reply.js';
import type { RegistryRequest, Requester } from './requester.js';

/** Bytes between two reports of progress. */
const reportEvery = 256 * 1024;

/**
 * Streams a blob, and after a broken stream goes on where it broke. The bytes of one blob may come from several
 * responses; one digest runs over all of them.
 */
export class Download {
  readonly #requester: Requester;
  readonly #call: Call;
  readonly #request: Omit<RegistryRequest, 'method' | 'headers'>;
  readonly #descriptor: Descriptor;
  readonly #check: BlobCheck;
  #resumable = true;
  #reported = 0;

  constructor(
    requester: Requester,
    call: Call,
    request: Omit<RegistryRequest, 'method' | 'headers'>,
    blob: Descriptor,
  ) {
    this.#requester = requester;
    this.#call = call;
    this.#request = request;
    this.#descriptor = blob;
    this.#check = new BlobCheck(call.what, blob);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { digest, size } = this.#descriptor;
    const retries = this.#requester.retries(this.#call);
    this.#call.report({ type: 'fetching', digest, current: 0, total: size });
    for (let done = false; !done; ) {
      try {
        yield* this.#attempt();
        done = true;
      } catch (error) {
        // A stream that breaks after its last byte has brought all there is.
        const whole =
          error instanceof Fault && error.advice.attempts > 1 && this.#check.length > 0 && this.#check.complete;
        if (whole) done = true;
        else await retries.after(error);
      }
    }
    this.#check.finish();
    this.#call.report({ type: 'fetched', digest, total: size, cached: false });
  }

  async *#attempt(): AsyncGenerator<Uint8Array> {
    const from = this.#resumable ? this.#check.length : 0;
    const reply = await this.#requester.open(
      this.#call,
      {
        ...this.#request,
        method: 'GET',
        headers: { accept: '*/*', ...(from > 0 && { range: `bytes=${from}-` }) },
      },
      [200, 206, 416],
    );
    try {
      let position = this.#startOf(reply, from);
      for await (const chunk of reply.body) {
        // What an earlier response brought has been handed out already.
        const known = Math.max(0, this.#check.length - position);
        position += chunk.byteLength;
        if (known >= chunk.byteLength) continue;
        const fresh = chunk.subarray(known);
        this.#take(fresh);
        yield fresh;
      }
      if (!this.#check.complete) throw new Fault(this.#check.sizeMismatch(String(position)), again);
    } finally {
      reply.close();
    }
  }

  #take(chunk: Uint8Array): void {
    this.#check.take(chunk);
    if (this.#check.length - this.#reported < reportEvery) return;
    this.#reported = this.#check.length;
    const { digest, size } = this.#descriptor;
    this.#call.report({ type: 'fetching', digest, current: this.#reported, total: size });
  }

  /** Where in the blob the body starts. A range other than the one asked for makes the next attempt start from the beginning. */
  #startOf(reply: Reply, from: number): number {
    const { size } = this.#descriptor;
    const length = contentLength(reply);
    if (reply.status === 200) {
      if (length !== undefined && length !== size) throw new Fault(this.#check.sizeMismatch(String(length)), never);
      return 0;
    }
    const range = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15}|\*)$/.exec(
      reply.headers.get('content-range') ?? '',
    );
    const [, first, last, total = ''] = range ?? [];
    const fits = Number(first) === from && Number(last) + 1 === size && (total === '*' || Number(total) === size);
    if (reply.status === 206 && from > 0 && fits) return from;
    this.#resumable = false;
    const reason = `${this.#call.what}: ${reply.url.host} does not give the range from byte ${from}`;
    throw new Fault(new GantryError('REGISTRY_ERROR', reason, { details: { status: reply.status } }), again);
  }
}
