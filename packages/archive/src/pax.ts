import { invalidArchive } from './errors.js';
import type { TarXattr } from './tar-entry.js';

/** What an extended header says about the next entry. POSIX.1-2017, pax, "pax Extended Header". */
export interface PaxRecords {
  path?: Buffer;
  linkPath?: Buffer;
  size?: number;
  uid?: number;
  gid?: number;
  mtimeSeconds?: number;
  mtimeNanoseconds?: number;
  readonly xattrs: TarXattr[];
  sparse?: PaxSparse;
}

/** The `GNU.sparse.*` records of GNU tar's three PAX sparse formats: 0.0, 0.1 and 1.0. */
export interface PaxSparse {
  major?: number;
  minor?: number;
  name?: Buffer;
  realSize?: number;
  /** Offset and length by turns. */
  readonly map: number[];
}

const equals = 0x3d;
const newline = 0x0a;
const space = 0x20;
const xattrPrefix = 'SCHILY.xattr.';
const decimal = /^\d{1,16}$/;
const timestamp = /^(-?)(\d{1,16})(?:\.(\d*))?$/;

/** Parses the body of an `x` header. Throws `INVALID_ARCHIVE`; records that mean nothing here are passed over. */
export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = { xattrs: [] };
  forEachRecord(body, (key, value) => applyRecord(records, key, value));
  return records;
}

/**
 * Checks the body of a `g` header. Readers differ on what a global path or size applies to, so a record
 * that this reader would use is refused; a comment, as `git archive` writes it, is passed over.
 */
export function checkGlobalPax(body: Buffer): void {
  const unused: PaxRecords = { xattrs: [] };
  forEachRecord(body, (key, value) => {
    if (applyRecord(unused, key, value)) throw invalidArchive(`a global header sets ${key}`);
  });
}

/** Calls back with each `length key=value\n`. */
function forEachRecord(body: Buffer, callback: (key: string, value: Buffer) => void): void {
  for (let at = 0; at < body.length; ) {
    const gap = body.indexOf(space, at);
    const digits = gap > at && gap - at <= 8 ? body.toString('latin1', at, gap) : '';
    const end = decimal.test(digits) ? at + Number(digits) : 0;
    const middle = body.indexOf(equals, gap + 1);
    if (end > body.length || middle <= gap + 1 || middle >= end || body[end - 1] !== newline) {
      throw invalidArchive('a record of an extended header is malformed');
    }
    callback(body.toString('latin1', gap + 1, middle), body.subarray(middle + 1, end - 1));
    at = end;
  }
}

/** Returns whether the key is one that this reader uses. */
function applyRecord(records: PaxRecords, key: string, value: Buffer): boolean {
  if (key.startsWith(xattrPrefix)) {
    records.xattrs.push({ name: textOf(xattrName(key.slice(xattrPrefix.length)), key), value });
    return true;
  }
  if (key.startsWith('GNU.sparse.')) {
    records.sparse ??= { map: [] };
    return applySparse(records.sparse, key, value);
  }
  switch (key) {
    case 'path':
      records.path = textOf(value, key);
      return true;
    case 'linkpath':
      records.linkPath = textOf(value, key);
      return true;
    case 'size':
    case 'uid':
    case 'gid':
      records[key] = numberOf(value, key);
      return true;
    case 'mtime':
      applyTime(records, value);
      return true;
    default:
      return false;
  }
}

/** A key ends at its first `=`, so GNU tar escapes that, and `%`, and nothing else. */
function xattrName(key: string): Buffer {
  return Buffer.from(key.replaceAll('%3D', '=').replaceAll('%25', '%'), 'latin1');
}

function applySparse(sparse: PaxSparse, key: string, value: Buffer): boolean {
  switch (key) {
    case 'GNU.sparse.major':
      sparse.major = numberOf(value, key);
      return true;
    case 'GNU.sparse.minor':
      sparse.minor = numberOf(value, key);
      return true;
    case 'GNU.sparse.name':
      sparse.name = textOf(value, key);
      return true;
    case 'GNU.sparse.size':
    case 'GNU.sparse.realsize':
      sparse.realSize = numberOf(value, key);
      return true;
    case 'GNU.sparse.offset':
    case 'GNU.sparse.numbytes':
      sparse.map.push(numberOf(value, key));
      return true;
    case 'GNU.sparse.map':
      for (const number of value.toString('latin1').split(',')) sparse.map.push(parseDecimal(number, key));
      return true;
    default:
      return false;
  }
}

function textOf(value: Buffer, key: string): Buffer {
  if (value.length === 0 || value.includes(0))
    throw invalidArchive(`${key} of an extended header is empty or has a NUL`);
  return value;
}

function numberOf(value: Buffer, key: string): number {
  return parseDecimal(value.toString('latin1', 0, 20), key);
}

/** A decimal number without sign that is a safe integer. */
export function parseDecimal(text: string, what: string): number {
  const number = decimal.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw invalidArchive(`${what} of an extended header is not a number in range`);
  return number;
}

/** Seconds with any number of decimals; those beyond nanoseconds are cut off. */
function applyTime(records: PaxRecords, value: Buffer): void {
  const match = timestamp.exec(value.toString('latin1', 0, 64));
  const whole = match ? Number(match[2]) : Number.NaN;
  if (!match || !Number.isSafeInteger(whole)) throw invalidArchive('mtime of an extended header is not a time');
  const nanoseconds = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  const borrows = match[1] === '-' && nanoseconds > 0;
  records.mtimeSeconds = match[1] === '-' ? -whole - (borrows ? 1 : 0) : whole;
  records.mtimeNanoseconds = borrows ? 1e9 - nanoseconds : nanoseconds;
}
