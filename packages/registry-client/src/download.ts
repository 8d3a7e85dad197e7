import { type Descriptor, GantryError, type ImageReference } from '@gantry/interface';
import { BlobCheck } from './blob-check.js';
import type { Call } from './call.js';
import { again, Fault, never } from './fault.js';
import type { Mirror } from './mirror-settings.js';
import type { Mirrors, Source } from './mirrors.js';
import { contentLength, type Reply } from './reply.js';
import type { Requester } from './requester.js';
import { pullScope } from './scope.js';
import { untilTimeIsLeft } from './turns.js';

/** Bytes between two reports of progress. */
const reportEvery = 256 * 1024;

/** What a download works with. */
export interface DownloadParts {
  readonly requester: Requester;
  readonly mirrors: Mirrors;
  readonly call: Call;
  readonly reference: ImageReference;
  readonly blob: Descriptor;
  /** Lets the memory of a chunk be written over once the next is asked for. */
  readonly lend: boolean;
  /** Whether to hold the content against its digest. What mirrors gave always is: one that was wrong is not asked again. */
  readonly verify: boolean;
}

/**
 * Streams a blob, and after a broken stream goes on where it broke. The bytes of one blob may come from several
 * responses, of mirrors too; one digest runs over all of them.
 */
export class Download {
  readonly #parts: DownloadParts;
  readonly #check: BlobCheck;
  readonly #mirrors: Mirror[];
  readonly #used = new Set<Mirror>();
  #resumable = true;
  #reported = 0;

  constructor(parts: DownloadParts) {
    this.#parts = parts;
    this.#mirrors = [...parts.mirrors.of(parts.call.registry, parts.blob.digest)];
    this.#check = new BlobCheck(parts.call.what, parts.blob, parts.verify || this.#mirrors.length > 0);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { requester, call, blob } = this.#parts;
    const { digest, size } = blob;
    const retries = requester.retries(call);
    call.report({ type: 'fetching', digest, current: 0, total: size });
    for (let done = false; !done; ) {
      const [mirror] = this.#mirrors;
      try {
        yield* mirror ? this.#atMirror(mirror) : this.#attempt(this.#parts);
        done = true;
      } catch (error) {
        if (this.#isWhole(error)) done = true;
        else if (mirror && !this.#check.exceeded) this.#leave(mirror, error);
        else await retries.after(this.#blamed(error));
      }
    }
    try {
      this.#check.finish();
    } catch (error) {
      throw this.#blamed(error);
    }
    call.report({ type: 'fetched', digest, total: size, cached: false });
  }

  async *#atMirror(mirror: Mirror): AsyncGenerator<Uint8Array> {
    const { mirrors, call, reference } = this.#parts;
    const source = await mirrors.source(call, reference, mirror);
    try {
      yield* this.#attempt(source);
    } finally {
      source.call.end();
    }
  }

  /** To the next mirror, or to the registry, which may be able to resume what this one could not. */
  #leave(mirror: Mirror, error: unknown): void {
    this.#parts.mirrors.fellBack(this.#parts.call, mirror, error);
    this.#mirrors.shift();
    this.#resumable = true;
  }

  async *#attempt({ call, reference, mirror }: Source): AsyncGenerator<Uint8Array> {
    const { requester, blob, lend } = this.#parts;
    const from = this.#resumable ? this.#check.length : 0;
    const request = {
      method: 'GET',
      target: `${reference.repository}/blobs/${blob.digest}`,
      headers: { accept: '*/*', ...(from > 0 && { range: `bytes=${from}-` }) },
      scope: pullScope(reference),
      lend,
    } as const;
    const reply = await requester.open(call, request, [200, 206, 416]);
    try {
      let position = this.#startOf(reply, from);
      if (mirror) call.liftDeadline();
      for await (const chunk of reply.body) {
        await untilTimeIsLeft();
        // What an earlier response brought has been handed out already.
        const known = Math.max(0, this.#check.length - position);
        position += chunk.byteLength;
        if (known >= chunk.byteLength) continue;
        if (mirror) this.#used.add(mirror);
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
    const { call, blob } = this.#parts;
    call.report({ type: 'fetching', digest: blob.digest, current: this.#reported, total: blob.size });
  }

  /** A stream that breaks after its last byte has brought all there is. */
  #isWhole(error: unknown): boolean {
    const isBroken = error instanceof Fault && error.advice.attempts > 1;
    return isBroken && this.#check.length > 0 && this.#check.complete;
  }

  /** An error of the content; it may be a mirror's that gave a part of it. */
  #blamed(error: unknown): unknown {
    const { mirrors, blob } = this.#parts;
    if (error instanceof GantryError) for (const mirror of this.#used) mirrors.distrust(mirror, blob.digest);
    return error;
  }

  /** Where in the blob the body starts. A range other than the one asked for makes the next attempt start from the beginning. */
  #startOf(reply: Reply, from: number): number {
    const { call, blob } = this.#parts;
    const { size } = blob;
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
    const reason = `${call.what}: ${reply.url.host} does not give the range from byte ${from}`;
    throw new Fault(new GantryError('REGISTRY_ERROR', reason, { details: { status: reply.status } }), again);
  }
}
