const blockBytes = 512;

/** Fields of a ustar header (pax(1), IEEE Std 1003.1). What does not fit its field stands in a PAX record before the header. */
export interface TarHeader {
  readonly name: string;
  /** One character: `0` file, `1` hard link, `2` symlink, `3` and `4` devices, `5` directory, `6` FIFO, `x` PAX records. */
  readonly typeflag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly linkname?: string;
  readonly major?: number;
  readonly minor?: number;
}

/** True if the text is ASCII and fits a name field without being split. */
export function fitsName(text: string): boolean {
  return text.length <= 100 && Buffer.byteLength(text) === text.length;
}

/** True if the number has at most so many octal digits. */
export function fitsNumber(value: number, digits: number): boolean {
  return value < 8 ** digits;
}

/** One block; a field whose value does not fit is left empty. */
export function tarHeader(header: TarHeader): Buffer {
  const block = Buffer.alloc(blockBytes);
  const text = (value: string, offset: number) => fitsName(value) && block.write(value, offset, 'latin1');
  const octal = (value: number, offset: number, digits: number) =>
    block.write((fitsNumber(value, digits) ? value : 0).toString(8).padStart(digits, '0'), offset, 'latin1');
  text(header.name, 0);
  octal(header.mode, 100, 7);
  octal(header.uid, 108, 7);
  octal(header.gid, 116, 7);
  octal(header.size, 124, 11);
  octal(header.mtime, 136, 11);
  text(header.typeflag, 156);
  text(header.linkname ?? '', 157);
  block.write('ustar\u000000', 257, 'latin1');
  octal(header.major ?? 0, 329, 7);
  octal(header.minor ?? 0, 337, 7);
  // The sum is taken with its own field full of spaces.
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The header of a PAX extended header, its records, and what fills the last block. */
export function paxHeader(records: readonly (readonly [key: string, value: string | Uint8Array])[]): Buffer {
  const body = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  const header = { name: 'PaxHeaders/next', typeflag: 'x', mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: 0 };
  return Buffer.concat([tarHeader(header), body, padding(body.length)]);
}

/** `LENGTH key=value\n`, where LENGTH counts its own digits, too. */
function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytes, Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Zeros from the end of a body to the end of its last block. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

/** Two blocks of zeros. */
export const endOfArchive: Uint8Array = new Uint8Array(2 * blockBytes);
