import { type CallOptions, GantryError, throwIfAborted } from '@gantry/interface';
import { completeBudget, type UnpackBudget } from './budget.js';
import type { TarEntry, TarHeader } from './tar-entry.js';
import { TarParser, type TarSink } from './tar-parser.js';

/** Options of {@link readTar}. */
export interface ReadTarOptions extends Pick<CallOptions, 'signal'> {
  /** `ratio` has no meaning here. */
  readonly budget?: Partial<UnpackBudget>;
}

type TarEvent =
  | { readonly type: 'entry'; readonly header: TarHeader }
  | { readonly type: 'data'; readonly piece: Buffer; readonly offset: number }
  | { readonly type: 'end' };

const zeros = 64 * 1024;

/**
 * Reads an uncompressed tar archive that nobody vouches for: ustar, GNU and PAX, sparse files included. A body that is
 * not read is skipped. After the end-of-archive mark the source is read to its end and ignored. Pieces of names and
 * bodies may be views of the source's chunks, which must not be reused.
 *
 * @throws `INVALID_ARCHIVE`, `LIMIT_EXCEEDED`, `ABORTED`, or what the source throws.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  options: ReadTarOptions = {},
): AsyncGenerator<TarEntry, void, undefined> {
  const events = new TarEvents(source, options);
  try {
    for (;;) {
      const event = await events.next();
      if (!event) return;
      if (event.type !== 'entry') continue;
      const { header } = event;
      const body = new EntryBody(events, header.size);
      yield { ...header, name: Buffer.from(header.name), linkName: Buffer.from(header.linkName), body };
      await body.skip();
    }
  } finally {
    await events.close();
  }
}

/** Pulls chunks through the parser as its events are asked for. */
class TarEvents implements TarSink {
  readonly #parser: TarParser;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #queue: TarEvent[] = [];
  #at = 0;
  #isDone = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<Uint8Array>, options: ReadTarOptions) {
    this.#parser = new TarParser(this, completeBudget(options.budget));
    this.#source = source[Symbol.asyncIterator]();
    this.#signal = options.signal;
  }

  async next(): Promise<TarEvent | undefined> {
    while (this.#at === this.#queue.length) {
      if (this.#failure) throw this.#failure.error;
      if (this.#isDone) return undefined;
      this.#queue = [];
      this.#at = 0;
      await this.#pull();
    }
    return this.#queue[this.#at++];
  }

  entry(header: TarHeader): void {
    // The parser's memory holds only until the next block, and this waits for longer.
    this.#queue.push({ type: 'entry', header: { ...header, name: Buffer.from(header.name) } });
  }

  data(piece: Buffer, offset: number): void {
    this.#queue.push({ type: 'data', piece, offset });
  }

  end(): void {
    this.#queue.push({ type: 'end' });
  }

  async close(): Promise<void> {
    if (!this.#isDone) await this.#source.return?.();
  }

  /** What the parser found before it failed still comes out first. */
  async #pull(): Promise<void> {
    throwIfAborted(this.#signal, 'reading an archive');
    const result = await this.#source.next();
    try {
      if (result.done) this.#parser.finish();
      else this.#parser.write(result.value);
    } catch (error) {
      this.#failure = { error };
    }
    if (result.done) this.#isDone = true;
  }
}

class EntryBody implements AsyncIterable<Uint8Array> {
  readonly #events: TarEvents;
  readonly #size: number;
  #state: 'unread' | 'reading' | 'over' = 'unread';

  constructor(events: TarEvents, size: number) {
    this.#events = events;
    this.#size = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#state !== 'unread') {
      throw new GantryError('CLOSED', 'the body of an archive entry can be read once, before the next entry');
    }
    this.#state = 'reading';
    let at = 0;
    for (let piece = await this.#piece(); piece; piece = await this.#piece()) {
      yield* holes(at, piece.offset);
      yield piece.data;
      at = piece.offset + piece.data.length;
    }
    yield* holes(at, this.#size);
  }

  async skip(): Promise<void> {
    while (await this.#piece());
  }

  async #piece(): Promise<{ data: Buffer; offset: number } | undefined> {
    if (this.#state === 'over') return undefined;
    const event = await this.#events.next();
    if (event?.type === 'data') return { data: event.piece, offset: event.offset };
    this.#state = 'over';
    return undefined;
  }
}

function* holes(from: number, to: number): Generator<Uint8Array> {
  for (let at = from; at < to; at += zeros) yield Buffer.alloc(Math.min(zeros, to - at));
}
