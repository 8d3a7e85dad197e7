import { GantryError, type LogEntry, type LogOptions, throwIfAborted, toGantryError } from '@gantry/interface';
import { LogDecoder } from './decoder.js';
import { type LogFile, openNextLog } from './files.js';
import { LogTail } from './tail.js';
import { LogWatch } from './watch.js';

const chunkSize = 64 * 1024;

/**
 * The entries of a container's log, rotated files included, oldest first. With `follow` it goes on until the exit
 * record is there or no shim is. A line that is torn at the end of a file, as a crash of the machine leaves it, is left out.
 * `INVALID_ARGUMENT` for a `tail` that is no count.
 */
export async function* readLog(stateDir: string, options: LogOptions): AsyncGenerator<LogEntry, void, undefined> {
  const { signal, stream, since = Number.NEGATIVE_INFINITY } = options;
  const what = `reading the log in ${stateDir}`;
  throwIfAborted(signal, what);
  const isWanted = (entry: LogEntry) => (stream === undefined || entry.stream === stream) && entry.at >= since;
  let tail = tailOf(options.tail);
  const watch = options.follow ? await LogWatch.open(stateDir) : undefined;
  const log = new LogCursor(stateDir);
  try {
    for (let over = false; !over; ) {
      // Asked before reading: what was written before the end is there to be read after it.
      over = watch ? await watch.over() : true;
      for await (const entries of log.rest()) {
        throwIfAborted(signal, what);
        for (const entry of entries) {
          if (!isWanted(entry)) continue;
          if (tail) tail.push(entry);
          else yield entry;
        }
      }
      if (tail) yield* tail.entries();
      tail = undefined;
      throwIfAborted(signal, what);
      if (watch && !over) await watch.changed(signal, what);
    }
  } finally {
    watch?.close();
    await log.close();
  }
}

function tailOf(lines: number | undefined): LogTail | undefined {
  if (lines === undefined) return undefined;
  if (Number.isSafeInteger(lines) && lines >= 0) return new LogTail(lines);
  throw new GantryError('INVALID_ARGUMENT', `tail: ${lines} is not a count of lines`, { details: { field: 'tail' } });
}

/** A place in the chain of log files. */
class LogCursor {
  readonly #stateDir: string;
  #file: LogFile | undefined;
  #decoder: LogDecoder;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#decoder = new LogDecoder(stateDir);
  }

  /** Everything from here to the present end. */
  async *rest(): AsyncGenerator<readonly LogEntry[], void, undefined> {
    for (;;) {
      yield* this.#restOfFile();
      const next = await openNextLog(this.#stateDir, this.#file);
      if (!next) return;
      // Once there is a newer file, nothing is added to this one; what came since our last look is still to be read.
      yield* this.#restOfFile();
      await this.#file?.handle.close();
      this.#file = next;
      this.#decoder = new LogDecoder(this.#stateDir);
    }
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async *#restOfFile(): AsyncGenerator<readonly LogEntry[], void, undefined> {
    for (;;) {
      const chunk = await this.#read();
      if (chunk.length === 0) return;
      yield this.#decoder.push(chunk);
    }
  }

  async #read(): Promise<Uint8Array> {
    if (!this.#file) return new Uint8Array();
    try {
      const { bytesRead, buffer } = await this.#file.handle.read(Buffer.allocUnsafe(chunkSize), 0, chunkSize, null);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw toGantryError(error, `reading the log in ${this.#stateDir}`);
    }
  }
}
