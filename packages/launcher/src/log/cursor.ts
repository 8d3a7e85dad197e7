import { GantryError, type LogEntry, toGantryError } from '@gantry/interface';
import { LogChain } from './chain.js';
import { type DecodedEntry, LineDecoder, type LogDecoder, PlainDecoder } from './decoder.js';
import type { LogFile } from './files.js';

const chunkSize = 64 * 1024;

/** A place in one chain of log files, that of `log`, or of a stream of the plain format. */
export class LogCursor {
  readonly name: string;
  readonly #stateDir: string;
  readonly #chain: LogChain;
  #file: LogFile | undefined;
  #following: LogFile | undefined;
  #decoder: LogDecoder;
  /** Of the file, behind the entries that were given. */
  #offset = 0;
  #readOffset = 0;

  constructor(stateDir: string, name: string) {
    this.name = name;
    this.#stateDir = stateDir;
    this.#chain = new LogChain(stateDir, name);
    this.#decoder = this.#decoderAt(0);
  }

  /** Where it is: `name:file:offset`, without a file before the first. */
  get place(): string {
    return `${this.name}:${this.#file?.id ?? ''}:${this.#offset}`;
  }

  /** Goes to a place of this chain. `NOT_FOUND` if it was rotated away. */
  async goTo(place: string): Promise<void> {
    const [name, id, digits] = place.split(':');
    const offset = Number(digits);
    if (name !== this.name || id === undefined || !Number.isSafeInteger(offset) || offset < 0) throw notFound(place);
    if (id === '') return;
    const file = await this.#chain.find(id);
    if (!file) throw notFound(place);
    this.#open(file, offset);
    if (Number((await file.handle.stat()).size) < offset) throw notFound(place);
  }

  /** Goes to the start of the oldest file, and holds it. */
  async goToStart(): Promise<void> {
    const file = await this.#chain.next();
    if (file) this.#open(file, 0);
  }

  /** Goes to the end of what is there now. */
  async goToEnd(): Promise<void> {
    const file = await this.#chain.newest();
    if (file) this.#open(file, (await file.handle.stat()).size);
  }

  /** Everything from here to the present end. After each batch `place` is behind it. */
  async *rest(): AsyncGenerator<readonly DecodedEntry[], void, undefined> {
    for (;;) {
      yield* this.#restOfFile();
      this.#following = await this.#chain.next();
      if (!this.#following) return;
      // Once there is a newer file, nothing is added to this one; what came since our last look is still to be read.
      yield* this.#restOfFile();
      await this.#file?.handle.close();
      this.#open(this.#following, 0);
      this.#following = undefined;
    }
  }

  /** The place behind an entry of the batch that was given last. */
  placeOf({ end }: DecodedEntry): string {
    return `${this.name}:${this.#file?.id ?? ''}:${end}`;
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    await this.#following?.handle.close();
    this.#file = undefined;
    this.#following = undefined;
  }

  #open(file: LogFile, offset: number): void {
    this.#file = file;
    this.#offset = offset;
    this.#readOffset = offset;
    this.#decoder = this.#decoderAt(offset);
  }

  #decoderAt(offset: number): LogDecoder {
    if (this.name === 'stdout' || this.name === 'stderr') return new PlainDecoder(this.name, offset);
    return new LineDecoder(this.#stateDir, offset);
  }

  async *#restOfFile(): AsyncGenerator<readonly DecodedEntry[], void, undefined> {
    for (;;) {
      const chunk = await this.#read();
      if (chunk.length === 0) return;
      const entries = this.#decoder.push(chunk);
      this.#offset = entries.at(-1)?.end ?? this.#offset;
      if (entries.length > 0) yield entries;
    }
  }

  async #read(): Promise<Uint8Array> {
    if (!this.#file) return new Uint8Array();
    try {
      const buffer = Buffer.allocUnsafe(chunkSize);
      const { bytesRead } = await this.#file.handle.read(buffer, 0, chunkSize, this.#readOffset);
      this.#readOffset += bytesRead;
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw toGantryError(error, `reading the log in ${this.#stateDir}`);
    }
  }
}

/** An entry as readers get it. */
export function entryAt({ end: _, ...entry }: DecodedEntry, position: string): LogEntry {
  return { ...entry, position };
}

function notFound(place: string): GantryError {
  return new GantryError('NOT_FOUND', `the log has no position '${place}' any more: begin with its oldest entry`, {
    details: { position: place },
  });
}
