import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeZstd } from '../src/zstd/decoder.js';
import { contents, noise, prose } from './contents.js';
import { collect, expectError, inChunks } from './reading.js';
import { zstdBlock, zstdFrame, zstdMagic } from './zstd-frame.js';

/** Made by zstd 1.5.4: `zstd -3 -c prose > prose-3.zst`; the streamed one from standard input. */
const samplesFolder = join(import.meta.dirname, 'samples');
const samples = readdirSync(samplesFolder).filter((name) => name.endsWith('.zst'));
const sample = (name: string) => readFileSync(join(samplesFolder, name));
const contentOf = (name: string) => contents.get(name.slice(0, name.indexOf('-')));

const decode = (bytes: Buffer, chunk?: number) => collect(decodeZstd(inChunks(bytes, chunk)));

const skippable = Buffer.concat([Buffer.from('5f2a4d1804000000', 'hex'), Buffer.from('skip')]);

/** A block of one match of three bytes, from 1021 to 2044 bytes back. */
function matchBlock(offset: number, isLast = true): Buffer {
  // No literals; one sequence, whose three codes are single symbols; the bits of the offset below the mark of the stream's start.
  const body = Buffer.from([0, 1, 0x54, 0, 10, 0, 0, 0]);
  body.writeUInt16LE(offset + 3, 6);
  return zstdBlock(2, body.length, body, isLast);
}

/** No literals, and 98 303 sequences of one match of 65 539 bytes or more, whose codes are single symbols: no state takes bits. */
const endlessMatches = Buffer.from([0, 0xff, 0xff, 0xff, 0x54, 0, 0, 52, 1]);

/** Five literals by a prefix code whose weights come from a table of a single symbol: no weight takes bits. */
const endlessWeights = Buffer.from('52800104f03fffff0100', 'hex');

describe('zstd in JavaScript', { timeout: 30_000 }, () => {
  it('has samples', () => {
    expect(samples.length).toBeGreaterThan(8);
  });

  it.each(samples)('decodes %s, in chunks of any size', async (name) => {
    for (const chunk of [undefined, 1, 1000]) {
      expect((await decode(sample(name), chunk)).equals(contentOf(name) ?? Buffer.of(1))).toBe(true);
    }
  });

  it('decodes all frames, and passes over skippable ones', async () => {
    const bytes = Buffer.concat([skippable, sample('short-3.zst'), skippable, sample('prose-3.zst'), skippable]);
    expect((await decode(bytes)).equals(Buffer.concat([Buffer.from('hello'), prose(6000)]))).toBe(true);
    expect(await decode(skippable)).toHaveLength(0);
  });

  it('keeps a window of 1 KiB, however long the frame', async () => {
    const blocks = Array.from({ length: 9000 }, (_, i) => zstdBlock(1, 1024, Buffer.of(i & 0xff), i === 8999));
    const decoded = await decode(zstdFrame(10, ...blocks));
    expect(decoded.length).toBe(9000 * 1024);
    for (let i = 0; i < 9000; i++) expect(decoded[i * 1024 + 1023]).toBe(i & 0xff);
  });

  it('reaches back just as far as the window, wherever its memory has moved to', async () => {
    const parts: Buffer[] = [];
    const blocks: Buffer[] = [];
    for (let i = 0; i < 3000; i++) {
      const part = Buffer.alloc(1024, `${i} `);
      blocks.push(zstdBlock(0, part.length, part, false), matchBlock(1024, i === 2999));
      parts.push(part, part.subarray(0, 3));
    }
    expect((await decode(zstdFrame(10, ...blocks))).equals(Buffer.concat(parts))).toBe(true);
    const first = zstdBlock(0, 1024, Buffer.alloc(1024, 'a'), false);
    expect(await decode(zstdFrame(10, first, matchBlock(1024)))).toHaveLength(1027);
    await expectError(decode(zstdFrame(10, first, first, matchBlock(1025))), 'INVALID_ARCHIVE', /window/);
    await expectError(decode(zstdFrame(11, first, matchBlock(1025))), 'INVALID_ARCHIVE', /window/);
  });

  it('takes a window of 2^27 without taking the memory, and refuses one above', async () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(await decode(zstdFrame(27, zstdBlock(1, 3, Buffer.from('a'))))).toEqual(Buffer.from('aaa'));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    for (const log of [28, 31, 41]) {
      await expectError(decode(zstdFrame(log, zstdBlock(1, 3, Buffer.from('a')))), 'INVALID_ARCHIVE', /window/);
    }
    const single = Buffer.concat([
      zstdMagic,
      Buffer.from('e0ffffffffffffff7f', 'hex'),
      zstdBlock(1, 3, Buffer.from('a')),
    ]);
    await expectError(decode(single), 'INVALID_ARCHIVE', /window/);
  });

  it('is not slowed down by a large window and small blocks', async () => {
    const blocks = Array.from({ length: 20_000 }, (_, i) => zstdBlock(1, 1, Buffer.of(i & 0xff), i === 19_999));
    const started = performance.now();
    expect(await decode(zstdFrame(27, ...blocks))).toHaveLength(20_000);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it.each([
    ['no bytes', Buffer.alloc(0)],
    ['half a magic', zstdMagic.subarray(0, 2)],
    ['garbage', Buffer.from('garbage that is none')],
    ['garbage behind a frame', Buffer.concat([sample('short-3.zst'), Buffer.from('garbage')])],
    ['a skippable frame longer than the stream', Buffer.from('502a4d18ffffff7f00', 'hex')],
    ['reserved bits', Buffer.concat([zstdMagic, Buffer.from([8, 0]), zstdBlock(1, 1, Buffer.of(1))])],
    ['a dictionary', Buffer.concat([zstdMagic, Buffer.from([1, 0, 7]), zstdBlock(1, 1, Buffer.of(1))])],
    ['a block of the reserved type', zstdFrame(10, zstdBlock(3, 1, Buffer.of(1)))],
    ['a block over the window', zstdFrame(10, zstdBlock(1, 1025, Buffer.of(1)))],
    ['a block over 128 KiB', zstdFrame(20, zstdBlock(0, 131_073, Buffer.alloc(131_073)))],
    ['a block without sequences', zstdFrame(10, zstdBlock(2, 1, Buffer.of(0)))],
    ['sequences that refer to no table', zstdFrame(10, zstdBlock(2, 5, Buffer.from([0, 1, 0xfc, 1, 1])))],
    ['treeless literals without a tree', zstdFrame(10, zstdBlock(2, 5, Buffer.from([0x13, 0x40, 0, 1, 0])))],
    ['matches far longer than their block', zstdFrame(17, zstdBlock(2, endlessMatches.length, endlessMatches))],
    ['a prefix code whose weights never end', zstdFrame(10, zstdBlock(2, endlessWeights.length, endlessWeights))],
    ['no last block', zstdFrame(10, zstdBlock(1, 1, Buffer.of(1), false))],
    ['a wrong size', Buffer.concat([zstdMagic, Buffer.from([0x20, 4]), zstdBlock(1, 3, Buffer.of(1))])],
  ])('refuses %s', async (_, bytes) => {
    for (const chunk of [undefined, 1]) await expectError(decode(bytes, chunk), 'INVALID_ARCHIVE');
  });

  it('refuses every stream that is cut short', async () => {
    for (const name of ['short-3.zst', 'zeros-3.zst', 'blocks-streamed.zst']) {
      const bytes = sample(name);
      const step = Math.max(1, Math.floor(bytes.length / 60));
      for (let end = 0; end < bytes.length; end += step) {
        await expectError(decode(bytes.subarray(0, end)), 'INVALID_ARCHIVE');
      }
    }
  });

  it('a damaged stream gives bytes or INVALID_ARCHIVE, within bounds', async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...samples.filter((name) => !/empty|short/.test(name))),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (name, changes) => {
          const bytes = Buffer.from(sample(name));
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
          const outcome = await decode(bytes).catch((error: unknown) => error);
          if (Buffer.isBuffer(outcome)) return;
          refused++;
          expect(outcome).toMatchObject({ code: 'INVALID_ARCHIVE' });
        },
      ),
      { numRuns: 600 },
    );
    expect(refused).toBeGreaterThan(50);
  });
});

describe.skipIf(!('createZstdDecompress' in zlib))('zstd as node:zlib has it (needs Node.js 22.15)', () => {
  const { zstdCompressSync, zstdDecompressSync, constants } = zlib as unknown as {
    zstdCompressSync: (bytes: Buffer, options: object) => Buffer;
    zstdDecompressSync: (bytes: Buffer) => Buffer;
    constants: Record<'ZSTD_c_compressionLevel', number>;
  };
  const compressed = (bytes: Buffer, level: number) =>
    zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } });

  it('decodes what it encodes', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(prose, noise), fc.nat(60_000)), { maxLength: 5 }),
        fc.integer({ min: -5, max: 19 }),
        async (parts, level) => {
          const bytes = Buffer.concat(parts.map(([make, size]) => make(size)));
          expect((await decode(compressed(bytes, level), 5000)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes nothing damaged for something else', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...samples), fc.nat(), fc.nat(255), async (name, at, byte) => {
        const bytes = Buffer.from(sample(name));
        bytes[at % bytes.length] = byte;
        const theirs = attempt(() => zstdDecompressSync(bytes));
        if (!theirs) return;
        // What is behind the last frame does not count for node:zlib.
        const ours = await decode(bytes).catch((error: Error) => error);
        if (ours instanceof Error) expect(ours.message).toMatch(/no frame|cut short/);
        else expect(ours.equals(theirs)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
