import { createHash } from 'node:crypto';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compressionOf, detectCompression } from '../src/compression.js';
import { decode, decompress } from '../src/decompress.js';
import { expectError, inChunks } from './reading.js';
import { gzipType, plainType } from './sandbox.js';

const zstdType = 'application/vnd.oci.image.layer.v1.tar+zstd';

async function inflate(bytes: Buffer, chunk?: number, mediaType = gzipType): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of decompress(mediaType, inChunks(bytes, chunk))) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('gzip', () => {
  const a = Buffer.from('a'.repeat(70_000));
  const b = Buffer.from('b'.repeat(1000));

  it.each([undefined, 1, 50])('joins all members, in chunks of %s', async (chunk) => {
    const members = Buffer.concat([zlib.gzipSync(a), zlib.gzipSync(b), zlib.gzipSync(Buffer.alloc(0))]);
    expect(await inflate(members, chunk)).toEqual(Buffer.concat([a, b]));
  });

  it.each([
    ['NULs', Buffer.alloc(20)],
    ['NULs and another member', Buffer.concat([Buffer.alloc(3), zlib.gzipSync(b)])],
    ['garbage', Buffer.from('garbage that is no member')],
    ['half a member', zlib.gzipSync(b).subarray(0, 12)],
  ])('refuses %s behind the end', async (_, tail) => {
    const member = zlib.gzipSync(a);
    for (const chunk of [undefined, 1, member.length]) {
      await expectError(inflate(Buffer.concat([member, tail]), chunk), 'INVALID_ARCHIVE');
    }
  });

  it('refuses a stream that is cut, damaged, or none', async () => {
    const member = zlib.gzipSync(a);
    await expectError(inflate(member.subarray(0, member.length - 3)), 'INVALID_ARCHIVE', /Z_BUF_ERROR/);
    const damaged = Buffer.from(member);
    damaged[member.length - 6] = (damaged[member.length - 6] ?? 0) ^ 1;
    await expectError(inflate(damaged), 'INVALID_ARCHIVE', /Z_DATA_ERROR/);
    await expectError(inflate(Buffer.from('plain text')), 'INVALID_ARCHIVE');
  });

  it('passes on what the source throws', async () => {
    const fault = new Error('network down');
    async function* failing() {
      yield zlib.gzipSync(a).subarray(0, 20);
      throw fault;
    }
    const drain = async () => {
      for await (const piece of decode('gzip', failing())) expect(piece).toBeDefined();
    };
    await expect(drain()).rejects.toBe(fault);
  });

  it('closes the source when its reader stops early', async () => {
    let isClosed = false;
    async function* source() {
      try {
        for (;;) yield zlib.gzipSync(a);
      } finally {
        isClosed = true;
      }
    }
    for await (const piece of decode('gzip', source())) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(isClosed).toBe(true);
  });

  it('gives the bytes of a large stream in order', async () => {
    const noise = Buffer.alloc(5_000_000);
    for (let i = 0; i < noise.length; i += 4) noise.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
    const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(sum(await inflate(zlib.gzipSync(noise, { level: 1 }), 65_536))).toBe(sum(noise));
  });
});

describe.skipIf('createZstdDecompress' in zlib)('zstd where Node.js lacks it', () => {
  it('is UNSUPPORTED, with the remedy', async () => {
    await expectError(inflate(Buffer.alloc(0), 1, zstdType), 'UNSUPPORTED', /22\.15/);
  });
});

describe.skipIf(!('createZstdDecompress' in zlib))('zstd (needs Node.js 22.15)', () => {
  const frame = Buffer.from('28b52ffd0406310000', 'hex');
  const { zstdCompressSync } = zlib as unknown as { zstdCompressSync: (bytes: Buffer) => Buffer };
  const skippable = Buffer.concat([Buffer.from('502a4d1804000000', 'hex'), Buffer.from('skip')]);

  it.each([undefined, 1, 7])('joins all frames and passes over skippable ones, in chunks of %s', async (chunk) => {
    const bytes = Buffer.concat([
      skippable,
      zstdCompressSync(Buffer.from('hello ')),
      skippable,
      zstdCompressSync(Buffer.from('world')),
    ]);
    expect((await inflate(bytes, chunk, zstdType)).toString()).toBe('hello world');
  });

  it('refuses garbage behind a frame, and a window over 128 MiB', async () => {
    const good = zstdCompressSync(Buffer.from('hello'));
    await expectError(inflate(Buffer.concat([good, Buffer.from('garbage')]), undefined, zstdType), 'INVALID_ARCHIVE');
    const wide = Buffer.from(frame);
    wide[4] = 0x00;
    wide[5] = 21 << 3;
    await expectError(inflate(wide, undefined, zstdType), 'INVALID_ARCHIVE', /window/i);
  });
});

describe('media types', () => {
  it('knows those of OCI and Docker', () => {
    expect(compressionOf(plainType)).toBe('none');
    expect(compressionOf('application/vnd.docker.image.rootfs.diff.tar.gzip')).toBe('gzip');
    expect(compressionOf(zstdType)).toBe('zstd');
  });

  it('refuses others, and names them', () => {
    for (const mediaType of ['application/x-xz', '', 'constructor', '__proto__']) {
      expect(() => compressionOf(mediaType)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    }
  });

  it('shows by the first bytes', () => {
    expect(detectCompression(zlib.gzipSync(''))).toBe('gzip');
    expect(detectCompression(Buffer.from('28b52ffd', 'hex'))).toBe('zstd');
    expect(detectCompression(Buffer.from('5a2a4d18', 'hex'))).toBe('zstd');
    expect(detectCompression(Buffer.from('etc/'))).toBe('none');
    expect(detectCompression(Buffer.alloc(0))).toBe('none');
  });
});
