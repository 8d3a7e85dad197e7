import { type CallOptions, GantryError, throwIfAborted } from '@gantry/interface';
import { showName } from './errors.js';
import type { Segment } from './sparse.js';
import { checkFields, encodeHeader, type HeaderFields, paddingOf } from './tar-encoder.js';
import type { TarEntryType, TarXattr } from './tar-entry.js';
import { blockSize } from './tar-header.js';

/** The bytes of a file. */
export type TarBody = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** An entry to be written; one that `readTar` gives fits. Text is UTF-8. */
export interface TarInput {
  /** Written as it is: `etc/passwd`, for a folder best with a slash at its end. Not empty, no NUL. */
  readonly name: Uint8Array | string;
  /** Default `file`. */
  readonly type?: TarEntryType;
  /** Of a link: what it leads to. A hard link leads to the name of an entry that comes before it. */
  readonly linkName?: Uint8Array | string;
  /** Bytes of the file, holes included. May be left out where the body is bytes or text. 0 for other types. */
  readonly size?: number;
  /** The 12 permission bits. Default 0o755 for a folder, 0o777 for a symbolic link, 0o644 for all else. */
  readonly mode?: number;
  /** 0 to 2^32 - 2. Default 0. */
  readonly uid?: number;
  /** 0 to 2^32 - 2. Default 0. */
  readonly gid?: number;
  /** Since the epoch; may be negative. Default 0. */
  readonly mtimeSeconds?: number;
  /** 0 to 999 999 999. Default 0. */
  readonly mtimeNanoseconds?: number;
  readonly devMajor?: number;
  readonly devMinor?: number;
  /** Written in this order. */
  readonly xattrs?: readonly TarXattr[];
  /**
   * Of a sparse file: the stretches, in order, that the body holds one behind the other; all else is holes. Offsets and lengths are
   * multiples of 512, but for the length of one that ends where the file ends.
   */
  readonly segments?: readonly Segment[];
  readonly body?: TarBody;
}

/** Options of {@link writeTar}. */
export interface WriteTarOptions extends Pick<CallOptions, 'signal'> {
  /** Seconds since the epoch that every entry gets in place of its own time, e.g. that of `SOURCE_DATE_EPOCH`. */
  readonly mtime?: number;
}

const nothing = Buffer.alloc(0);
const defaultModes: Partial<Record<TarEntryType, number>> = { directory: 0o755, symlink: 0o777 };

/**
 * Writes an uncompressed tar archive, entry by entry and in the order given: ustar, with PAX headers where they are needed
 * (names that are long or not ASCII, attributes, large numbers, parts of seconds). The same entries give the same bytes.
 *
 * @throws `INVALID_ARGUMENT` for an entry that no archive can hold, with `details.field`; `SIZE_MISMATCH` for a body that is not as
 * long as its `size`; `ABORTED`; or what the entries or their bodies throw.
 */
export async function* writeTar(
  entries: AsyncIterable<TarInput> | Iterable<TarInput>,
  options: WriteTarOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const entry of entries) {
    throwIfAborted(options.signal, 'writing an archive');
    const fields = complete(entry, options.mtime);
    checkFields(fields);
    const { blocks, stored } = encodeHeader(fields);
    yield blocks;
    if (fields.type !== 'file') continue;
    yield* bodyOf(entry.body ?? nothing, stored, fields.name);
    if (paddingOf(stored) > 0) yield Buffer.alloc(paddingOf(stored));
  }
  yield Buffer.alloc(2 * blockSize);
}

function complete(entry: TarInput, mtime: number | undefined): HeaderFields {
  const { type = 'file', body, mtimeSeconds = 0, mtimeNanoseconds = 0 } = entry;
  const isLink = type === 'hardlink' || type === 'symlink';
  const size = typeof body === 'string' ? Buffer.byteLength(body) : body instanceof Uint8Array ? body.length : 0;
  return {
    name: bytesOf(entry.name),
    type,
    linkName: isLink ? bytesOf(entry.linkName ?? nothing) : nothing,
    size: entry.size ?? size,
    segments: entry.segments,
    mode: entry.mode ?? defaultModes[type] ?? 0o644,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    mtimeSeconds: mtime ?? mtimeSeconds,
    mtimeNanoseconds: mtime === undefined ? mtimeNanoseconds : 0,
    devMajor: entry.devMajor ?? 0,
    devMinor: entry.devMinor ?? 0,
    xattrs: entry.xattrs ?? [],
  };
}

function bytesOf(name: Uint8Array | string): Buffer {
  return typeof name === 'string' ? Buffer.from(name) : Buffer.from(name.buffer, name.byteOffset, name.length);
}

async function* bodyOf(body: TarBody, size: number, name: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  let written = 0;
  for await (const piece of typeof body === 'string' || body instanceof Uint8Array ? [bytesOf(body)] : body) {
    written += piece.length;
    if (written > size) break;
    if (piece.length > 0) yield piece;
  }
  if (written === size) return;
  const problem = written > size ? `more than ${size}` : `${written} of ${size}`;
  throw new GantryError('SIZE_MISMATCH', `archive entry ${showName(name)}: the body has ${problem} bytes`, {
    details: { expected: size, actual: written },
  });
}
