import { GantryError, type LogEntry } from '@gantry/interface';

const NEWLINE = 0x0a;
const SPACE = 0x20;
const BRACE = 0x7b;

/** Far above what the shim writes in one line. */
const maxLine = 2 ** 20;

/** An entry, and how many bytes of its file it and those before it take. */
export type DecodedEntry = Omit<LogEntry, 'position'> & { readonly end: number };

/** Cuts the bytes of a log file into entries. */
export interface LogDecoder {
  /** Takes the next bytes, which must not change afterwards, and returns the entries that they complete. */
  push(chunk: Uint8Array): DecodedEntry[];
}

/**
 * Decodes lines, each in the Kubernetes CRI format or, as it begins with a brace, in JSON. The former are
 * `2016-10-06T00:17:09.669794202Z stdout F text`; with `P` instead of `F` the text goes on in the stream's next line.
 */
export class LineDecoder implements LogDecoder {
  readonly #path: string;
  #pending: Uint8Array = new Uint8Array();
  #end: number;
  #second = '';
  #secondAt = 0;

  /** `path` is for messages; `offset` is where in the file the first byte lies. */
  constructor(path: string, offset = 0) {
    this.#path = path;
    this.#end = offset;
  }

  /** `CORRUPT_STATE` for a line that is none. */
  push(chunk: Uint8Array): DecodedEntry[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const entries: DecodedEntry[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#end += end + 1 - start;
      entries.push(this.#parse(bytes.subarray(start, end + 1)));
      start = end + 1;
    }
    this.#pending = bytes.subarray(start);
    if (this.#pending.length > maxLine) throw this.#corrupt(`it has a line of more than ${maxLine} bytes`);
    return entries;
  }

  #parse(line: Uint8Array): DecodedEntry {
    return line[0] === BRACE ? this.#parseJson(line) : this.#parseCri(line);
  }

  /** The text of a whole line is followed by its line end in the file too, so both are one piece of it. */
  #parseCri(line: Uint8Array): DecodedEntry {
    const streamAt = line.indexOf(SPACE) + 1;
    const textAt = streamAt + 'stdout F '.length;
    const head = Buffer.from(line.buffer, line.byteOffset, Math.min(textAt, line.length)).toString('latin1');
    const tag = head.slice(-3);
    const entry = streamAt > 0 ? this.#entry(head.slice(0, streamAt - 1), head.slice(streamAt, -3)) : undefined;
    if (entry && tag === ' F ') return { ...entry, data: line.subarray(textAt) };
    if (entry && tag === ' P ') return { ...entry, data: line.subarray(textAt, -1) };
    throw this.#corrupt('it has a line that is not in the CRI format');
  }

  #parseJson(line: Uint8Array): DecodedEntry {
    const { log, base64, stream, time } = this.#object(line);
    const entry = typeof time === 'string' ? this.#entry(time, stream) : undefined;
    if (entry && typeof log === 'string') return { ...entry, data: Buffer.from(log) };
    if (entry && typeof base64 === 'string') return { ...entry, data: Buffer.from(base64, 'base64') };
    throw this.#corrupt('it has an object that is no entry');
  }

  #object(line: Uint8Array): Partial<Record<'log' | 'base64' | 'stream' | 'time', unknown>> {
    try {
      return JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.length).toString()) as object;
    } catch (cause) {
      throw this.#corrupt('it has a line that is not JSON', cause);
    }
  }

  #entry(time: string, stream: unknown): Omit<DecodedEntry, 'data'> | undefined {
    const at = this.#time(time);
    if (at === undefined || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
    return { at, stream, end: this.#end };
  }

  /** Lines come many a second, so the date is worked out once a second. */
  #time(text: string): number | undefined {
    const [, second, fraction] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z$/.exec(text) ?? [];
    if (second === undefined || fraction === undefined) return undefined;
    if (second !== this.#second) {
      this.#secondAt = Date.parse(`${second}Z`);
      this.#second = second;
    }
    return Number.isNaN(this.#secondAt) ? undefined : this.#secondAt + Number(fraction) / 1e6;
  }

  #corrupt(why: string, cause?: unknown): GantryError {
    return new GantryError('CORRUPT_STATE', `the log ${this.#path} is damaged: ${why}`, {
      cause,
      details: { path: this.#path },
    });
  }
}

/** The bytes of one stream as they are, line by line; a line that has not ended is an entry as far as it is there. */
export class PlainDecoder implements LogDecoder {
  readonly #stream: LogEntry['stream'];
  #end: number;

  constructor(stream: LogEntry['stream'], offset = 0) {
    this.#stream = stream;
    this.#end = offset;
  }

  push(chunk: Uint8Array): DecodedEntry[] {
    const entries: DecodedEntry[] = [];
    const at = Date.now();
    for (let start = 0; start < chunk.length; ) {
      const newline = chunk.indexOf(NEWLINE, start);
      const end = newline < 0 ? chunk.length : newline + 1;
      this.#end += end - start;
      entries.push({ at, stream: this.#stream, data: chunk.subarray(start, end), end: this.#end });
      start = end;
    }
    return entries;
  }
}
