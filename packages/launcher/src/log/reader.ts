import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError, type LogEntry, type LogOptions, type LogPosition, throwIfAborted } from '@gantry/interface';
import { stateFiles } from '../protocol.generated.js';
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
export async function* readLogInBatches(
  stateDir: string,
  options: LogOptions,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  const { signal, stream, since } = options;
  const what = `reading the log in ${stateDir}`;
  throwIfAborted(signal, what);
  let tail = tailOf(options.tail);
  const cursors = cursorsOf(stateDir, stream);
  if (since !== undefined && cursors.some(({ name }) => name !== stateFiles.log)) {
    throw new GantryError('UNSUPPORTED', `${what}: a plain log does not tell when anything was written`);
  }
  const isWanted = (entry: LogEntry) =>
    (stream === undefined || entry.stream === stream) && (since === undefined || entry.at >= since);
  const watch = options.follow ? await LogWatch.open(stateDir) : undefined;
  try {
    if (options.from !== undefined) await goTo(cursors, options.from);
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
    for (const cursor of cursors) await cursor.close();
  }
}

/** The position behind all that a log holds now. */
export async function endOfLog(stateDir: string): Promise<LogPosition> {
  const cursors = cursorsOf(stateDir, undefined);
  try {
    for (const cursor of cursors) await cursor.goToEnd();
    return cursors.map(({ place }) => place).join(separator);
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
}

/** One chain of files for all, or, of the plain format, one for each stream. */
function cursorsOf(stateDir: string, stream: LogOptions['stream']): readonly LogCursor[] {
  const isPlain = existsSync(join(stateDir, stateFiles.output)) && !existsSync(join(stateDir, stateFiles.log));
  if (!isPlain) return [new LogCursor(stateDir, stateFiles.log)];
  const names = stream === undefined ? [stateFiles.output, stateFiles.errors] : [stream];
  return names.map((name) => new LogCursor(stateDir, name));
}

/** A position may have been told by a reader of one stream or of both; a chain that it does not name is read from its start. */
async function goTo(cursors: readonly LogCursor[], position: LogPosition): Promise<void> {
  const places = position.split(separator);
  const known = cursors.map((cursor) => places.find((place) => place.startsWith(`${cursor.name}:`)));
  if (known.every((place) => place === undefined)) {
    throw new GantryError('INVALID_ARGUMENT', `from: '${position}' is not a position of this log`, {
      details: { field: 'from' },
    });
  }
  for (const [index, cursor] of cursors.entries()) {
    const place = known[index];
    if (place !== undefined) await cursor.goTo(place);
  }
}

function positionOf(cursors: readonly LogCursor[], current: LogCursor, place: string): LogPosition {
  return cursors.map((cursor) => (cursor === current ? place : cursor.place)).join(separator);
}

function tailOf(lines: number | undefined): LogTail | undefined {
  if (lines === undefined) return undefined;
  if (Number.isSafeInteger(lines) && lines >= 0) return new LogTail(lines);
  throw new GantryError('INVALID_ARGUMENT', `tail: ${lines} is not a count of lines`, { details: { field: 'tail' } });
}
