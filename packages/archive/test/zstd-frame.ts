/** Builds frames of zstd by hand, so that tests can put into them what no encoder writes. */

export const zstdMagic = Buffer.from('28b52ffd', 'hex');

/** A block header and what is behind it. Types: 0 as it is, 1 one byte repeated, 2 compressed, 3 reserved. */
export function zstdBlock(type: number, size: number, body: Buffer, isLast = true): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((size << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return Buffer.concat([header, body]);
}

/** A frame with a window of 2^log bytes, and without its size. */
export function zstdFrame(log: number, ...blocks: Buffer[]): Buffer {
  return Buffer.concat([zstdMagic, Buffer.from([0, (log - 10) << 3]), ...blocks]);
}

/** A frame that holds its content as it is. */
export function storedFrame(content: Buffer, log = 10): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < content.length; at += 1024) {
    const part = content.subarray(at, at + 1024);
    blocks.push(zstdBlock(0, part.length, part, at + 1024 >= content.length));
  }
  return zstdFrame(log, ...blocks);
}
