import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { decompress } from '@gantry/archive';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../src/checksums.js';
import { compressionOf, detectCompression } from '../src/compression.js';
import { decode } from '../src/decode.js';
import { contents, noise, prose } from './contents.js';
import { collect, expectError, inChunks } from './reading.js';
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
    const member = zlib.gzipSync(a);
    async function* source() {
      try {
        for (;;) yield member;
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

describe('zstd, by whatever this Node.js has', () => {
  const sample = readFileSync(join(import.meta.dirname, 'samples', 'prose-3.zst'));
  const skippable = Buffer.concat([Buffer.from('502a4d1804000000', 'hex'), Buffer.from('skip')]);

  it.each([undefined, 1, 7])('joins all frames and passes over skippable ones, in chunks of %s', async (chunk) => {
    const bytes = Buffer.concat([skippable, sample, skippable, sample]);
    expect((await inflate(bytes, chunk, zstdType)).equals(Buffer.concat([prose(6000), prose(6000)]))).toBe(true);
  });

  it('refuses what is behind a frame, what is cut short or damaged, and a window over 128 MiB', async () => {
    await expectError(inflate(Buffer.concat([sample, Buffer.from('garbage')]), undefined, zstdType), 'INVALID_ARCHIVE');
    for (const end of [3, 10, 1000, sample.length - 5]) {
      await expectError(inflate(sample.subarray(0, end), undefined, zstdType), 'INVALID_ARCHIVE');
    }
    const wide = Buffer.from('28b52ffd00880b000061', 'hex');
    expect(await inflate(wide, undefined, zstdType)).toEqual(Buffer.from('a'));
    wide[5] = 0x90;
    await expectError(inflate(wide, undefined, zstdType), 'INVALID_ARCHIVE', /window/i);
  });
});

/** Compresses with Python, which has no other encoder than everybody else. */
function python(expression: string, bytes: Buffer): Buffer {
  const script = `import bz2, lzma, sys\nd = sys.stdin.buffer.read()\nsys.stdout.buffer.write(${expression})`;
  return execFileSync('python3', ['-c', script], { input: bytes, maxBuffer: 2 ** 28 });
}

describe.each([
  ['bzip2', ['bz2.compress(d)', 'bz2.compress(d, 1)']],
  [
    'xz',
    [
      'lzma.compress(d)',
      'lzma.compress(d, preset=0, check=lzma.CHECK_NONE)',
      'lzma.compress(d, preset=9 | lzma.PRESET_EXTREME, check=lzma.CHECK_CRC32)',
      'lzma.compress(d, check=lzma.CHECK_SHA256, filters=[{"id": lzma.FILTER_LZMA2, "lc": 0, "lp": 2, "pb": 4}])',
    ],
  ],
] as const)('%s', { timeout: 30_000 }, (compression, encoders) => {
  const decoded = (bytes: Buffer, chunk?: number) => collect(decode(compression, inChunks(bytes, chunk)));
  const [encoder] = encoders;

  it.each(encoders)('decodes what %s makes', async (expression) => {
    for (const content of contents.values()) {
      const bytes = python(expression, content);
      expect(detectCompression(bytes)).toBe(compression);
      for (const chunk of [undefined, 1000]) expect((await decoded(bytes, chunk)).equals(content)).toBe(true);
    }
    const large = Buffer.concat([noise(400_000), prose(400_000), Buffer.alloc(2_000_000, 'x')]);
    expect((await decoded(python(expression, large), 65_536)).equals(large)).toBe(true);
  });

  it('joins all streams', async () => {
    const [a, b] = [python(encoder, prose(3000)), python(encoder, noise(500))];
    const both = Buffer.concat([prose(3000), noise(500)]);
    for (const chunk of [undefined, 1]) expect((await decoded(Buffer.concat([a, b]), chunk)).equals(both)).toBe(true);
  });

  it('refuses every stream that is cut short, and bytes behind the end', async () => {
    const bytes = python(encoder, prose(1500));
    for (let end = 0; end < bytes.length; end++) await expectError(decoded(bytes.subarray(0, end)), 'INVALID_ARCHIVE');
    await expectError(decoded(Buffer.concat([bytes, Buffer.from('garbage!')])), 'INVALID_ARCHIVE');
    await expectError(decoded(Buffer.concat([bytes, bytes.subarray(0, 20)])), 'INVALID_ARCHIVE');
  });

  it('refuses whatever is damaged: there are checksums', async () => {
    const bytes = python(encoder, prose(1500));
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      const outcome = await decoded(damaged).catch((error: unknown) => error);
      // Two things do not count with bzip2: how large blocks might have been, and the bits that fill up the last byte.
      const counts = compression === 'xz' || (at !== 3 && at !== bytes.length - 1);
      if (counts || !Buffer.isBuffer(outcome)) expect(outcome).toMatchObject({ code: 'INVALID_ARCHIVE' });
      else expect(outcome.equals(prose(1500))).toBe(true);
    }
  });

  it('closes the source when its reader stops early', async () => {
    let isClosed = false;
    const bytes = python(encoder, prose(600_000));
    async function* source() {
      try {
        for (;;) yield bytes;
      } finally {
        isClosed = true;
      }
    }
    for await (const piece of decode(compression, source())) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(isClosed).toBe(true);
  });
});

describe('decompressing in a worker thread', { timeout: 30_000 }, () => {
  it('gives what is decoded, or what went wrong', async () => {
    const bytes = python('bz2.compress(d)', prose(2_000_000));
    expect((await collect(decompress('bzip2', inChunks(bytes, 10_000)))).equals(prose(2_000_000))).toBe(true);
    await expectError(
      collect(decompress('bzip2', inChunks(bytes.subarray(0, 50_000)))),
      'INVALID_ARCHIVE',
      /cut short/,
    );
    expect((await collect(decompress('none', inChunks(bytes)))).equals(bytes)).toBe(true);
  });

  it('passes on what the source throws, and closes it when the reader stops early', async () => {
    const bytes = python('bz2.compress(d, 1)', prose(1_000_000));
    const fault = new Error('network down');
    let closed = 0;
    async function* source(isFailing: boolean) {
      try {
        yield bytes;
        if (isFailing) throw fault;
        for (;;) yield bytes;
      } finally {
        closed++;
      }
    }
    await expect(collect(decompress('bzip2', source(true)))).rejects.toBe(fault);
    for await (const piece of decompress('bzip2', source(false))) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(2);
  });
});

describe('limits of bzip2 and xz', () => {
  it('an xz dictionary over 128 MiB is refused, and one of 128 MiB costs no memory by itself', async () => {
    const xz = (size: number) =>
      python(`lzma.compress(d, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": ${size}}])`, prose(100));
    const before = process.memoryUsage().arrayBuffers;
    expect(await collect(decode('xz', inChunks(xz(2 ** 27))))).toEqual(prose(100));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 25);
    await expectError(collect(decode('xz', inChunks(xz(2 ** 27 + 2 ** 26)))), 'INVALID_ARCHIVE', /dictionary/);
  });

  it('xz filters for executables are refused, and told', async () => {
    const filtered = python(
      'lzma.compress(d, filters=[{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2}])',
      prose(100),
    );
    await expectError(collect(decode('xz', inChunks(filtered))), 'INVALID_ARCHIVE', /filter/);
  });

  it('zeros between and behind xz streams are padding, four at a time', async () => {
    const bytes = python('lzma.compress(d)', prose(10));
    const padded = Buffer.concat([bytes, Buffer.alloc(8), bytes, Buffer.alloc(4)]);
    expect(await collect(decode('xz', inChunks(padded, 3)))).toEqual(Buffer.concat([prose(10), prose(10)]));
    await expectError(collect(decode('xz', inChunks(Buffer.concat([bytes, Buffer.alloc(3)])))), 'INVALID_ARCHIVE');
  });

  it('an xz index of other sizes than the blocks have is refused, though its sums are right', async () => {
    const bytes = python('lzma.compress(d)', prose(1500));
    const indexSize = (bytes.readUInt32LE(bytes.length - 8) + 1) * 4;
    const indexStart = bytes.length - 12 - indexSize;
    for (const at of [1, 2, 4]) {
      const damaged = Buffer.from(bytes);
      damaged[indexStart + at] = (damaged[indexStart + at] ?? 0) ^ 4;
      damaged.writeUInt32LE(crc32(0, damaged.subarray(indexStart, bytes.length - 16)), bytes.length - 16);
      await expectError(collect(decode('xz', inChunks(damaged))), 'INVALID_ARCHIVE', /the index/);
    }
  });

  it('a run of a bzip2 block cannot grow beyond it', async () => {
    // One byte is used; its code for "one more digit of the run" is a single 0, and 2000 of them follow.
    const table = '00001' + '0' + '100' + '0';
    const used = `1${'0'.repeat(15)}1${'0'.repeat(15)}`;
    const selectors = `010${'000000000110010'}${'0'.repeat(50)}`;
    const bits = `0${'0'.repeat(24)}${used}${selectors}${table}${table}${'0'.repeat(2000)}11`;
    const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0').match(/.{8}/g) ?? [];
    const head = Buffer.from('BZh1\x31\x41\x59\x26\x53\x59\0\0\0\0', 'latin1');
    const block = Buffer.concat([head, Buffer.from(bytes.map((each) => Number.parseInt(each, 2)))]);
    await expectError(collect(decode('bzip2', inChunks(block))), 'INVALID_ARCHIVE', /too long/);
  });
});

describe('media types', () => {
  it('knows those of OCI and Docker', () => {
    expect(compressionOf(plainType)).toBe('none');
    expect(compressionOf('application/vnd.docker.image.rootfs.diff.tar.gzip')).toBe('gzip');
    expect(compressionOf(zstdType)).toBe('zstd');
  });

  it('refuses others, and names them', () => {
    for (const mediaType of ['application/x-xz', '', 'lzma', 'constructor', '__proto__']) {
      expect(() => compressionOf(mediaType)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    }
  });

  it('shows by the first bytes', () => {
    expect(detectCompression(zlib.gzipSync(''))).toBe('gzip');
    expect(detectCompression(Buffer.from('28b52ffd', 'hex'))).toBe('zstd');
    expect(detectCompression(Buffer.from('5a2a4d18', 'hex'))).toBe('zstd');
    expect(detectCompression(Buffer.from('BZh9'))).toBe('bzip2');
    expect(detectCompression(Buffer.from('fd377a585a00', 'hex'))).toBe('xz');
    expect(detectCompression(Buffer.from('fd377a585a', 'hex'))).toBe('none');
    expect(detectCompression(Buffer.from('etc/'))).toBe('none');
    expect(detectCompression(Buffer.alloc(0))).toBe('none');
  });
});
