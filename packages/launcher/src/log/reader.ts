import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AttachOptions,
  GantryError,
  isGantryError,
  type LogEntry,
  type LogOptions,
  type LogPosition,
  throwIfAborted,
} from '@gantry/interface';
import { stateFiles } from '../protocol.generated.js';
import { rotatedAway } from './chain.js';
import { entryAt, LogCursor } from './cursor.js';
import { LogTail } from './tail.js';
import { LogWatch } from './watch.js';

/** Between the places that make a position of a log with a file for each stream. */
const separator = ',';

/**
 * The entries of a container's log, rotated files included, oldest first. With `follow` it goes on until the exit
 * record is there or no shim is. A line that is torn at the end of a file, as a crash of the machine leaves it, is left out.
 * `INVALID_ARGUMENT` for a `tail` that is no count; `LIMIT_EXCEEDED` if what comes next was rotated away meanwhile.
 */
export async function* readLog(stateDir: string, options: LogOptions): AsyncGenerator<LogEntry, void, undefined> {
  for await (const entries of readLogInBatches(stateDir, options)) yield* entries;
}

/** As {@link readLog}, as many entries at a time as were read at once. */
async function* readLogInBatches(
  stateDir: string,
  options: LogOptions,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  throwIfAborted(options.signal, whatReads(stateDir));
  const from = options.from === undefined ? undefined : { position: options.from };
  yield* new OpenLog(stateDir, options.stream, await cursorsAt(stateDir, options.stream, from)).read(options);
}

/** A log that is held open at a place, so that what is rotated away from now on is told and not passed over. Closes itself once it was read. */
export class OpenLog {
  readonly #stateDir: string;
  readonly #stream: LogOptions['stream'];
  #cursors: readonly LogCursor[];
  /** Where it was let go. */
  #left: LogPosition | undefined;
  #isRead = false;

  constructor(stateDir: string, stream: LogOptions['stream'], cursors: readonly LogCursor[]) {
    this.#stateDir = stateDir;
    this.#stream = stream;
    this.#cursors = cursors;
  }

  /** `NOT_FOUND` for a position that was rotated away. */
  static async at(
    stateDir: string,
    stream: LogOptions['stream'],
    from: NonNullable<AttachOptions['from']>,
  ): Promise<OpenLog> {
    return new OpenLog(stateDir, stream, await cursorsAt(stateDir, stream, from));
  }

  /** The entries from there on; once. `from` and `stream` are what it was opened with. */
  async *read(options: Omit<LogOptions, 'from' | 'stream'>): AsyncGenerator<readonly LogEntry[], void, undefined> {
    this.#isRead = true;
    if (this.#left !== undefined) this.#cursors = await this.#return(this.#left);
    const stream = this.#stream;
    const cursors = this.#cursors;
    const { signal, since } = options;
    const what = whatReads(this.#stateDir);
    let watch: LogWatch | undefined;
    try {
      throwIfAborted(signal, what);
      let tail = tailOf(options.tail);
      if (since !== undefined && cursors.some(({ name }) => name !== stateFiles.log)) {
        throw new GantryError('UNSUPPORTED', `${what}: a plain log does not tell when anything was written`);
      }
      const isWanted = (entry: LogEntry) =>
        (stream === undefined || entry.stream === stream) && (since === undefined || entry.at >= since);
      watch = options.follow ? await LogWatch.open(this.#stateDir) : undefined;
      for (let over = false; !over; ) {
        // Asked before reading: what was written before the end is there to be read after it.
        over = watch ? await watch.over() : true;
        for (const cursor of cursors) {
          for await (const batch of cursor.rest()) {
            throwIfAborted(signal, what);
            const entries = batch.map((entry) => entryAt(entry, positionOf(cursors, cursor, cursor.placeOf(entry))));
            const wanted = entries.filter(isWanted);
            if (tail) for (const entry of wanted) tail.push(entry);
            else if (wanted.length > 0) yield wanted;
          }
        }
        if (tail) yield tail.entries();
        tail = undefined;
        throwIfAborted(signal, what);
        if (watch && !over) await watch.changed(signal, what);
      }
    } finally {
      watch?.close();
      await closeAll(cursors);
    }
  }

  /** Lets go of it if nobody reads; a reader does so when it ends. Who reads later begins where it was. */
  async close(): Promise<void> {
    if (this.#isRead || this.#left !== undefined) return;
    this.#left = placeOf(this.#cursors);
    await closeAll(this.#cursors);
  }

  async #return(position: LogPosition): Promise<readonly LogCursor[]> {
    try {
      return await cursorsAt(this.#stateDir, this.#stream, { position });
    } catch (error) {
      throw isGantryError(error, 'NOT_FOUND') ? rotatedAway(this.#stateDir, error) : error;
    }
  }
}

const whatReads = (stateDir: string) => `reading the log in ${stateDir}`;

/** Cursors for the entries of a stream, or of both, at a place; undefined for that of the oldest entry there is when they are read. */
async function cursorsAt(
  stateDir: string,
  stream: LogOptions['stream'],
  from: AttachOptions['from'],
): Promise<readonly LogCursor[]> {
  const chains = chainsOf(stateDir);
  const names = chains.length === 1 || stream === undefined ? chains : [stream];
  const cursors = names.map((name) => new LogCursor(stateDir, name));
  try {
    if (from === 'start') for (const cursor of cursors) await cursor.goToStart();
    else if (from === 'now') for (const cursor of cursors) await cursor.goToEnd();
    else if (from !== undefined) await goTo(cursors, chains, from.position);
    return cursors;
  } catch (error) {
    await closeAll(cursors);
    throw error;
  }
}

async function closeAll(cursors: readonly LogCursor[]): Promise<void> {
  for (const cursor of cursors) await cursor.close();
}

/** One chain of files for all, or, of the plain format, one for each stream. */
function chainsOf(stateDir: string): readonly string[] {
  const isPlain = existsSync(join(stateDir, stateFiles.output)) && !existsSync(join(stateDir, stateFiles.log));
  return isPlain ? [stateFiles.output, stateFiles.errors] : [stateFiles.log];
}

/** A position may have been told by a reader of one stream or of both; a chain that it does not name is read from its start. */
async function goTo(cursors: readonly LogCursor[], chains: readonly string[], position: LogPosition): Promise<void> {
  const places = new Map(position.split(separator).map((place) => [place.slice(0, place.indexOf(':')), place]));
  if (!chains.some((name) => places.has(name))) {
    throw new GantryError('INVALID_ARGUMENT', `from: '${position}' is not a position of this log`, {
      details: { field: 'from' },
    });
  }
  for (const cursor of cursors) await cursor.goTo(places.get(cursor.name) ?? `${cursor.name}::0`);
}

const placeOf = (cursors: readonly LogCursor[]) => cursors.map(({ place }) => place).join(separator);

function positionOf(cursors: readonly LogCursor[], current: LogCursor, place: string): LogPosition {
  return cursors.map((cursor) => (cursor === current ? place : cursor.place)).join(separator);
}

function tailOf(lines: number | undefined): LogTail | undefined {
  if (lines === undefined) return undefined;
  if (Number.isSafeInteger(lines) && lines >= 0) return new LogTail(lines);
  throw new GantryError('INVALID_ARGUMENT', `tail: ${lines} is not a count of lines`, { details: { field: 'tail' } });
}
