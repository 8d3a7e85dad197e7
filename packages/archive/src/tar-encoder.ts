import { GantryError } from '@gantry/interface';
import { showName } from './errors.js';
import type { Segment } from './sparse.js';
import type { TarEntryType, TarXattr } from './tar-entry.js';
import { blockSize } from './tar-header.js';

/** What {@link encodeHeader} needs to know of an entry; all of it checked. */
export interface HeaderFields {
  readonly name: Buffer;
  readonly type: TarEntryType;
  readonly linkName: Buffer;
  /** Bytes of the file, its holes included. */
  readonly size: number;
  /** Of a sparse file: the stretches that are stored. */
  readonly segments: readonly Segment[] | undefined;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: readonly TarXattr[];
}

const typeFlags: Readonly<Record<TarEntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const maxName = 100;
const nothing = Buffer.alloc(0);
const newline = Buffer.from('\n');

/**
 * The blocks before an entry's body: an extended header of PAX where the ustar header cannot hold a value, the ustar header, and
 * the map of a sparse file (GNU's format 1.0). POSIX.1-2017, pax, "ustar Interchange Format". `stored` is how many bytes of
 * body are to follow.
 */
export function encodeHeader(fields: HeaderFields): { readonly blocks: Buffer; readonly stored: number } {
  const map = fields.segments ? sparseMap(fields.segments) : nothing;
  const data = fields.segments ? fields.segments.reduce((sum, { length }) => sum + length, 0) : fields.size;
  const records = paxRecords(fields, map.length + data);
  const blocks = [ustarHeader(fields, map.length + data), map];
  if (records.length > 0) blocks.unshift(extendedHeader(records));
  return { blocks: Buffer.concat(blocks), stored: data };
}

/** How many bytes fill up the last block of so many. */
export function paddingOf(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

function extendedHeader(records: readonly Buffer[]): Buffer {
  const body = Buffer.concat(records);
  const header = Buffer.alloc(blockSize);
  header.write('PaxHeaders/0', 'latin1');
  putFields(header, { mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: 0, flag: 'x' });
  return Buffer.concat([header, body, Buffer.alloc(paddingOf(body.length))]);
}

/** Values that do not fit are 0 or cut off here: the extended header has them. */
function ustarHeader(fields: HeaderFields, size: number): Buffer {
  const { type, name, linkName, mode, uid, gid, mtimeSeconds, devMajor, devMinor } = fields;
  const header = Buffer.alloc(blockSize);
  // The real name is elsewhere, and what knows nothing of sparse files shall not take the map for the file.
  if (fields.segments) header.write('GNUSparseFile.0/sparse', 'latin1');
  else name.copy(header, 0, 0, maxName);
  linkName.copy(header, 157, 0, maxName);
  const device = type === 'character' || type === 'block';
  putOctal(header, 329, 8, device ? devMajor : 0);
  putOctal(header, 337, 8, device ? devMinor : 0);
  putFields(header, { mode, uid, gid, size, mtime: mtimeSeconds, flag: typeFlags[type] });
  return header;
}

interface FixedFields {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
}

function putFields(header: Buffer, { mode, uid, gid, size, mtime, flag }: FixedFields): void {
  putOctal(header, 100, 8, mode);
  putOctal(header, 108, 8, uid);
  putOctal(header, 116, 8, gid);
  putOctal(header, 124, 12, size);
  putOctal(header, 136, 12, mtime);
  header.write(flag, 156, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  header.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

function fitsOctal(value: number, length: number): boolean {
  return value >= 0 && value < 8 ** (length - 1);
}

function putOctal(header: Buffer, at: number, length: number, value: number): void {
  const digits = (fitsOctal(value, length) ? value : 0).toString(8).padStart(length - 1, '0');
  header.write(`${digits}\0`, at, 'latin1');
}

/** The records that an entry needs, in a fixed order. */
function paxRecords(fields: HeaderFields, size: number): Buffer[] {
  const { name, linkName, uid, gid, mtimeSeconds, mtimeNanoseconds, segments, xattrs } = fields;
  const records: Buffer[] = [];
  const add = (key: string, value: string | Buffer) => records.push(paxRecord(Buffer.from(key), Buffer.from(value)));
  if (segments) {
    add('GNU.sparse.major', '1');
    add('GNU.sparse.minor', '0');
    add('GNU.sparse.name', name);
    add('GNU.sparse.realsize', String(fields.size));
  } else if (needsRecord(name)) {
    add('path', name);
  }
  if (needsRecord(linkName)) add('linkpath', linkName);
  if (!fitsOctal(size, 12)) add('size', String(size));
  if (!fitsOctal(uid, 8)) add('uid', String(uid));
  if (!fitsOctal(gid, 8)) add('gid', String(gid));
  if (mtimeNanoseconds !== 0 || !fitsOctal(mtimeSeconds, 12)) add('mtime', timeOf(mtimeSeconds, mtimeNanoseconds));
  for (const { name: key, value } of xattrs) {
    records.push(paxRecord(Buffer.concat([Buffer.from('SCHILY.xattr.'), xattrKey(key)]), value));
  }
  return records;
}

/** The ustar header is for ASCII: what other bytes in it mean is left to the reader. */
function needsRecord(name: Buffer): boolean {
  return name.length > maxName || name.some((byte) => byte > 0x7f);
}

/** `length key=value\n`, where the length counts its own digits. */
function paxRecord(key: Buffer, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(' '), key, Buffer.from('='), value, newline]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** A key ends at its first `=`, so that is escaped as GNU tar does it; `%` only where it would be taken for an escape, since Go knows none. */
function xattrKey(name: Buffer): Buffer {
  if (!name.includes('=') && !name.includes('%')) return name;
  const escaped = name
    .toString('latin1')
    .replaceAll(/%(?=3D|25)/g, '%25')
    .replaceAll('=', '%3D');
  return Buffer.from(escaped, 'latin1');
}

/** Seconds with as many decimals as are needed; the nanoseconds count up from the seconds also before the epoch. */
function timeOf(seconds: number, nanoseconds: number): string {
  const borrows = seconds < 0 && nanoseconds > 0;
  const whole = borrows ? seconds + 1 : seconds;
  const decimals = String(borrows ? 1e9 - nanoseconds : nanoseconds)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const sign = seconds < 0 && whole === 0 ? '-' : '';
  return `${sign}${whole}${decimals === '' ? '' : `.${decimals}`}`;
}

/** GNU's sparse format 1.0: decimal lines, first how many stretches, filled up to whole blocks. */
function sparseMap(segments: readonly Segment[]): Buffer {
  const numbers = [segments.length, ...segments.flatMap(({ offset, length }) => [offset, length])];
  const lines = Buffer.from(numbers.map((number) => `${number}\n`).join(''));
  return Buffer.concat([lines, Buffer.alloc(paddingOf(lines.length))]);
}

/** Throws `INVALID_ARGUMENT` for an entry that no tar archive can hold. */
export function checkFields(fields: HeaderFields): void {
  const { name, type, linkName, size, mode, uid, gid, mtimeSeconds, mtimeNanoseconds, devMajor, devMinor } = fields;
  const isLink = type === 'hardlink' || type === 'symlink';
  if (name.length === 0 || name.includes(0)) throw refuse(name, 'name', 'an empty name, or one with a NUL in it');
  if (isLink && (linkName.length === 0 || linkName.includes(0))) {
    throw refuse(name, 'linkName', 'a link to an empty name, or to one with a NUL in it');
  }
  const ranges: readonly (readonly [field: string, value: number, least: number, most: number])[] = [
    ['size', size, 0, type === 'file' ? Number.MAX_SAFE_INTEGER : 0],
    ['mode', mode, 0, 0o7777],
    ['uid', uid, 0, 2 ** 32 - 2],
    ['gid', gid, 0, 2 ** 32 - 2],
    ['mtimeSeconds', mtimeSeconds, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['mtimeNanoseconds', mtimeNanoseconds, 0, 999_999_999],
    ['devMajor', devMajor, 0, 0o7777777],
    ['devMinor', devMinor, 0, 0o7777777],
  ];
  for (const [field, value, least, most] of ranges) {
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      throw refuse(name, field, `${field} ${value} is not a whole number from ${least} to ${most}`);
    }
  }
  let end = 0;
  for (const { offset, length } of fields.segments ?? []) {
    if (offset < end || length < 0 || offset + length > size) throw refuse(name, 'segments', 'stretches out of order');
    end = offset + length;
    // GNU tar starts each stretch at a block of the archive, others do not: so there must be no difference.
    const isWhole = offset % blockSize === 0 && (length % blockSize === 0 || end === size);
    if (!isWhole && offset !== size) throw refuse(name, 'segments', 'a stretch that is not whole blocks of 512 bytes');
  }
}

function refuse(name: Buffer, field: string, problem: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `archive entry ${showName(name)}: ${problem}`, { details: { field } });
}
