/** Builds archives by hand, so that tests can put into them what no tar program writes. */

export interface EntryFields {
  readonly name: string | Buffer;
  /** The type flag. Default `0`. */
  readonly type?: string;
  readonly linkName?: string | Buffer;
  readonly body?: string | Buffer;
  /** Octal digits of the size field where it is to differ from the body's; a Buffer is the field itself. */
  readonly size?: number | Buffer;
  readonly mode?: number;
  readonly uid?: number | Buffer;
  readonly gid?: number | Buffer;
  readonly mtime?: number | Buffer;
  readonly device?: readonly [major: number | Buffer, minor: number | Buffer];
  readonly prefix?: string;
  /** Fields that are written over everything else, before the checksum. */
  readonly raw?: readonly (readonly [offset: number, bytes: Buffer])[];
}

export const endMark = Buffer.alloc(1024);

/** Pads to whole blocks. */
export function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A header block and the body behind it. */
export function entry(fields: EntryFields): Buffer {
  const block = Buffer.alloc(512);
  const body = Buffer.from(fields.body ?? '');
  Buffer.from(fields.name).copy(block, 0, 0, 100);
  putNumber(block, 100, 8, fields.mode ?? 0o644);
  putNumber(block, 108, 8, fields.uid ?? 0);
  putNumber(block, 116, 8, fields.gid ?? 0);
  putNumber(block, 124, 12, fields.size ?? body.length);
  putNumber(block, 136, 12, fields.mtime ?? 1_000_000_000);
  block.write(fields.type ?? '0', 156, 'latin1');
  Buffer.from(fields.linkName ?? '').copy(block, 157, 0, 100);
  block.write('ustar\u000000', 257, 'latin1');
  putNumber(block, 329, 8, fields.device?.[0] ?? 0);
  putNumber(block, 337, 8, fields.device?.[1] ?? 0);
  block.write(fields.prefix ?? '', 345, 'latin1');
  for (const [offset, bytes] of fields.raw ?? []) bytes.copy(block, offset);
  return Buffer.concat([withChecksum(block), padded(body)]);
}

/** Fills in a header block's checksum. */
export function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

export function folder(name: string | Buffer, mode = 0o755): Buffer {
  return entry({ name, type: '5', mode });
}

export function file(name: string | Buffer, body: string | Buffer = 'content', mode = 0o644): Buffer {
  return entry({ name, body, mode });
}

export function symlink(name: string, linkName: string): Buffer {
  return entry({ name, type: '2', linkName, mode: 0o777 });
}

export function hardlink(name: string, linkName: string): Buffer {
  return entry({ name, type: '1', linkName });
}

/** An extended header of PAX: `x` for the next entry, `g` for all. */
export function pax(records: readonly (readonly [key: string, value: string | Buffer])[], type = 'x'): Buffer {
  const body = Buffer.concat(records.map(([key, value]) => paxRecord(key, Buffer.from(value))));
  return entry({ name: 'PaxHeaders/0', type, body });
}

/** A long name (`L`) or long link name (`K`) of GNU's format. */
export function gnuLong(type: 'L' | 'K', name: string | Buffer): Buffer {
  return entry({ name: '././@LongLink', type, body: Buffer.concat([Buffer.from(name), Buffer.alloc(1)]) });
}

/** All parts and an end mark. */
export function archive(...parts: Buffer[]): Buffer {
  return Buffer.concat([...parts, endMark]);
}

/** A number in GNU's base-256 form, as two's complement. */
export function base256(value: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(length * 8, value);
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

function putNumber(block: Buffer, at: number, length: number, value: number | Buffer): void {
  if (typeof value === 'number') block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  else value.copy(block, at);
}

function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
