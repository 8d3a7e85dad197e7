import { invalidArchive } from './errors.js';

/** Bytes of a header, and what everything in an archive is padded to. */
export const blockSize = 512;

/** A header block as it stands, before extensions. */
export interface RawHeader {
  readonly name: Buffer;
  readonly linkName: Buffer;
  /** Character code of the type flag. */
  readonly typeFlag: number;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

const nul = 0x00;
const space = 0x20;
const slash = Buffer.from('/');
const posixMagic = Buffer.from('ustar\0');
const starTrailer = Buffer.from('tar\0');

/** True if the whole block is zero: the end-of-archive mark. */
export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < blockSize; i++) if (block[i] !== 0) return false;
  return true;
}

/** Reads the fixed fields of a header block. Throws `INVALID_ARCHIVE`. */
export function readHeader(block: Buffer): RawHeader {
  checkSum(block);
  const name = readName(block);
  return {
    name,
    linkName: readString(block, 157, 100),
    typeFlag: block[156] ?? 0,
    mode: readNumber(block, 100, 8, 'mode', name) & 0o7777,
    uid: readNumber(block, 108, 8, 'uid', name),
    gid: readNumber(block, 116, 8, 'gid', name),
    size: readSize(block, 124, name),
    mtime: readNumber(block, 136, 12, 'mtime', name),
  };
}

/** Reads a 12-byte size field. */
export function readSize(block: Buffer, at: number, name: Buffer): number {
  const size = readNumber(block, at, 12, 'size', name);
  if (size < 0) throw invalidArchive(`size ${size} is negative`, name);
  return size;
}

/** The device numbers of a header block; read for devices only, since others leave anything there. */
export function readDevice(block: Buffer, name: Buffer): { major: number; minor: number } {
  return { major: readNumber(block, 329, 8, 'devmajor', name), minor: readNumber(block, 337, 8, 'devminor', name) };
}

/** A field that is ended by its first NUL, or else full. */
function readString(block: Buffer, at: number, length: number): Buffer {
  let end = at;
  while (end < at + length && block[end] !== nul) end++;
  return block.subarray(at, end);
}

function readName(block: Buffer): Buffer {
  const name = readString(block, 0, 100);
  // Only POSIX has a prefix there: GNU's own format keeps times in its place, and so does star behind 131 bytes.
  if (block[345] === nul || block.compare(posixMagic, 0, 6, 257, 263) !== 0) return name;
  const isStar = block.compare(starTrailer, 0, 4, 508, 512) === 0;
  return Buffer.concat([readString(block, 345, isStar ? 131 : 155), slash, name]);
}

/** The sum of all bytes, the checksum's own as spaces; some old writers added them as signed. */
function checkSum(block: Buffer): void {
  let unsigned = 0;
  for (let i = 0; i < blockSize; i++) unsigned += block[i] ?? 0;
  for (let i = 148; i < 156; i++) unsigned += space - (block[i] ?? 0);
  const stated = readNumber(block, 148, 8, 'checksum');
  if (stated !== unsigned && stated !== unsigned - 256 * countNegative(block)) {
    throw invalidArchive('the checksum of a header is wrong: damaged, or not a tar archive');
  }
}

/** Bytes that are negative as signed ones, the checksum's own left out. */
function countNegative(block: Buffer): number {
  let count = 0;
  for (let i = 0; i < blockSize; i++) if ((block[i] ?? 0) > 127 && (i < 148 || i >= 156)) count++;
  return count;
}

/** A number in octal digits, or in GNU's base-256. Throws unless it is well-formed and a safe integer. */
export function readNumber(block: Buffer, at: number, length: number, field: string, entry?: Buffer): number {
  const value = (block[at] ?? 0) & 0x80 ? readBase256(block, at, length) : readOctal(block, at, length);
  if (!Number.isSafeInteger(value)) throw invalidArchive(`${field} is not a number in range`, entry);
  return value;
}

function readOctal(block: Buffer, at: number, length: number): number {
  const end = at + length;
  let i = at;
  while (i < end && block[i] === space) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = (block[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (block[i] !== nul && block[i] !== space) return Number.NaN;
  return value;
}

/** Big-endian two's complement; the top bit only marks the format, the next one is the sign. */
function readBase256(block: Buffer, at: number, length: number): number {
  const isNegative = ((block[at] ?? 0) & 0x40) !== 0;
  const mask = isNegative ? 0xff : 0x00;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const byte = (block[at + i] ?? 0) ^ mask;
    value = value * 256 + (i === 0 ? byte & 0x7f : byte);
  }
  return isNegative ? -value - 1 : value;
}
