import { GantryError, type LogEntry } from '@gantry/interface';

const NEWLINE = 0x0a;
const SPACE = 0x20;

/** Far above what the shim writes in one line. */
const maxLine = 2 ** 20;

/**
 * Cuts the bytes of a log file in the Kubernetes CRI format into entries. A line is
 * `2016-10-06T00:17:09.669794202Z stdout F text`; with `P` instead of `F` the text goes on in the stream's next line.
 */
export class LogDecoder {
  readonly #path: string;
  #pending: Uint8Array = new Uint8Array();
  #second = '';
  #secondAt = 0;

  /** `path` is for messages. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the next bytes, which must not change afterwards, and returns the entries that they complete. `CORRUPT_STATE` for a line that is none. */
  push(chunk: Uint8Array): LogEntry[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const entries: LogEntry[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      entries.push(this.#parse(bytes.subarray(start, end + 1)));
      start = end + 1;
    }
    this.#pending = bytes.subarray(start);
    if (this.#pending.length > maxLine) throw this.#corrupt(`it has a line of more than ${maxLine} bytes`);
    return entries;
  }

  /** The text of a whole line is followed by its line end in the file too, so both are one piece of it. */
  #parse(line: Uint8Array): LogEntry {
    const streamAt = line.indexOf(SPACE) + 1;
    const textAt = streamAt + 'stdout F '.length;
    const head = Buffer.from(line.buffer, line.byteOffset, Math.min(textAt, line.length)).toString('latin1');
    const stream = head.slice(streamAt, -3);
    const tag = head.slice(-3);
    const at = this.#time(head.slice(0, streamAt - 1));
    if (streamAt === 0 || at === undefined || (stream !== 'stdout' && stream !== 'stderr')) {
      throw this.#corrupt('it has a line that is not in the CRI format');
    }
    if (tag === ' F ') return { at, stream, data: line.subarray(textAt) };
    if (tag === ' P ') return { at, stream, data: line.subarray(textAt, -1) };
    throw this.#corrupt('it has a line that is not in the CRI format');
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

  #corrupt(why: string): GantryError {
    return new GantryError('CORRUPT_STATE', `the log ${this.#path} is damaged: ${why}`, {
      details: { path: this.#path },
    });
  }
}
