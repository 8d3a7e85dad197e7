import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon, packageFolder } from '../src/addon.js';

/** A small generator of numbers below 2^32, the same for the same seed. */
function randomNumbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Bytes with near and far repeats, runs and noise. */
function mixedBytes(size: number, random = randomNumbers(size)): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const length = Math.min(size - at, 1 + random(random(9) === 0 ? 500 : 20));
    const distance = Math.min(at, 1 + random(random(2) === 0 ? 12 : 32_768));
    const isNoise = distance === 0 || random(3) === 0;
    for (const end = at + length; at < end; at++) bytes[at] = isNoise ? random(256) : (bytes[at - distance] ?? 0);
  }
  return bytes;
}

/** The flags of a member's header. RFC 1952, 2.3.1. */
const flags = { checksum: 2, extra: 4, name: 8, comment: 16 };

/** Puts optional fields into the header of a member. */
function withHeader(member: Buffer, flag: number, fields: Buffer): Buffer {
  const head = Buffer.from(member.subarray(0, 10));
  head[3] = flag;
  const header = Buffer.concat([head, fields]);
  const checksum = Buffer.alloc(flag & flags.checksum ? 2 : 0);
  if (checksum.length > 0) checksum.writeUInt16LE(crc32(header) & 0xffff);
  return Buffer.concat([header, checksum, member.subarray(10)]);
}

/** As the trailer of a member has it. */
function crc32(bytes: Buffer): number {
  const member = zlib.gzipSync(bytes);
  return member.readUInt32LE(member.length - 8);
}

describe('BlobReader', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-blob-reader-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Reads a blob to its end, `step` more bytes of it at a time. */
  function read(blob: Uint8Array, compression: 'gzip' | 'none' = 'gzip', step = blob.length): Buffer {
    const path = join(folder, 'blob');
    writeFileSync(path, blob);
    const fd = openSync(path, 'r');
    const reader = new (addon().BlobReader)(fd, compression, 'sha512');
    closeSync(fd);
    const pieces: Buffer[] = [];
    let allowed = 0;
    try {
      for (;;) {
        const piece = reader.next();
        if (piece === 'end') {
          expect(reader.position()).toBe(blob.length);
          const archive = Buffer.concat(pieces);
          expect(reader.digest()).toEqual(createHash('sha512').update(archive).digest());
          return archive;
        }
        if (typeof piece !== 'string') pieces.push(Buffer.from(piece));
        if (piece !== 'starved') continue;
        expect(reader.position()).toBe(allowed);
        allowed = Math.min(blob.length, allowed + step);
        reader.allow(allowed, allowed === blob.length);
      }
    } finally {
      reader.close();
    }
  }

  const malformed = (message: RegExp) =>
    expect.objectContaining({ code: 'MALFORMED', message: expect.stringMatching(message) });

  it.each([0, 1, 100, 524_288, 524_289, 3_000_000])('gives %i bytes as they are, or inflated', (size) => {
    const bytes = mixedBytes(size);
    expect(read(bytes, 'none').equals(bytes)).toBe(true);
    expect(read(zlib.gzipSync(bytes)).equals(bytes)).toBe(true);
  });

  it.each([1, 2, 7, 31, 33, 1000])('needs no more than %i bytes of a blob at a time', (step) => {
    const bytes = mixedBytes(step * 3000);
    expect(read(bytes, 'none', step).equals(bytes)).toBe(true);
    const members = [zlib.gzipSync(bytes), zlib.gzipSync(bytes, { level: 0 }), zlib.gzipSync('')];
    expect(read(Buffer.concat(members), 'gzip', step).equals(Buffer.concat([bytes, bytes]))).toBe(true);
  });

  it('inflates what every level and strategy of zlib makes', () => {
    const bytes = Buffer.concat([mixedBytes(300_000), Buffer.alloc(200_000, 'ab'), Buffer.alloc(100_000)]);
    const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = zlib.constants;
    for (let level = 0; level <= 9; level++) {
      for (const strategy of [Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE]) {
        const member = zlib.gzipSync(bytes, { level, strategy, memLevel: 1 + (level % 9) });
        expect(read(member).equals(bytes)).toBe(true);
      }
    }
  });

  it('copies matches of every distance that a word can hold', () => {
    for (let distance = 1; distance <= 40; distance++) {
      const pattern = Buffer.from(Array.from({ length: distance }, (_, i) => i * 7));
      const bytes = Buffer.alloc(5000, pattern);
      expect(read(zlib.gzipSync(bytes)).equals(bytes)).toBe(true);
    }
  });

  it('reads all fields of a header, and checks its checksum', () => {
    const member = zlib.gzipSync('content');
    const extra = Buffer.from('\x05\x00extra', 'latin1');
    const all = Buffer.concat([extra, Buffer.from('name\0comment\0')]);
    const every = flags.checksum | flags.extra | flags.name | flags.comment;
    for (const [flag, fields] of [
      [0, Buffer.alloc(0)],
      [1, Buffer.alloc(0)],
      [flags.extra, extra],
      [flags.name, Buffer.from('name\0')],
      [flags.comment, Buffer.from('\0')],
      [every, all],
    ] as const) {
      expect(read(withHeader(member, flag, fields), 'gzip', 1).toString()).toBe('content');
    }
    const damaged = withHeader(member, every, all);
    damaged[15] = (damaged[15] ?? 0) ^ 1;
    expect(() => read(damaged)).toThrow(malformed(/checksum of a member's header/));
  });

  it('says what is wrong with a stream', () => {
    const member = zlib.gzipSync(mixedBytes(2000));
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(member);
      copy[at < 0 ? copy.length + at : at] = value;
      return copy;
    };
    const raw = (...bytes: number[]) => Buffer.concat([member.subarray(0, 10), Buffer.from(bytes)]);
    for (const [blob, message] of [
      [Buffer.alloc(0), /cut short/],
      [member.subarray(0, 9), /cut short/],
      [member.subarray(0, -1), /cut short/],
      [Buffer.from('no gzip at all'), /does not begin as one/],
      [changed(2, 7), /unknown compression method/],
      [changed(3, 0x20), /unknown flags/],
      [changed(-6, (member.at(-6) ?? 0) ^ 1), /checksum of a member/],
      [changed(-1, 1), /size is not what it states/],
      [Buffer.concat([member, Buffer.alloc(512)]), /does not begin as one/],
      [Buffer.concat([member, Buffer.from('garbage bytes')]), /does not begin as one/],
      [Buffer.concat([member, Buffer.alloc(2)]), /cut short/],
      [raw(0b111), /reserved type/],
      [raw(0b001, 1, 0, 1, 0), /stored block/],
      // A fixed block: a length of 3, a distance of 1, and nothing before them.
      [raw(0x03, 0x02, 0, 0), /reaches back/],
      // A fixed block: the length code 286; then one with a literal, a length of 3, and the distance code 30.
      [raw(0x1b, 0x03, 0, 0), /does not define/],
      [raw(0x63, 0x00, 0x3e, 0, 0), /does not define/],
      [raw(0b11101101, 0b11011111, 0, 0), /too many code lengths/],
      [raw(0b00000101, 0, 0, 0, 0, 0), /code of a block's code lengths/],
    ] as const) {
      expect(() => read(blob), String(message)).toThrow(malformed(message));
      expect(() => read(blob, 'gzip', 1), String(message)).toThrow(malformed(message));
    }
  });

  it('does not reach into the member before', () => {
    const first = zlib.gzipSync(mixedBytes(50_000));
    // A fixed block with a distance of 1 right at its start.
    const second = Buffer.concat([first.subarray(0, 10), Buffer.from([0x03, 0x02, 0, 0, 0, 0, 0, 0])]);
    expect(() => read(Buffer.concat([first, second]))).toThrow(malformed(/reaches back/));
  });

  it('gives out what came before a fault', () => {
    const bytes = mixedBytes(1_500_000);
    const path = join(folder, 'cut');
    writeFileSync(path, zlib.gzipSync(bytes).subarray(0, -8));
    const fd = openSync(path, 'r');
    const reader = new (addon().BlobReader)(fd, 'gzip', 'sha256');
    closeSync(fd);
    reader.allow(Number.MAX_SAFE_INTEGER, true);
    const pieces: Buffer[] = [];
    expect(() => {
      for (;;) {
        const piece = reader.next();
        if (typeof piece !== 'string') pieces.push(Buffer.from(piece));
      }
    }).toThrow(malformed(/cut short/));
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    reader.close();
  });

  it('agrees with node:zlib on damaged streams', { timeout: 60_000 }, () => {
    const random = randomNumbers(20);
    let good = 0;
    for (let run = 0; run < 500; run++) {
      const bytes = mixedBytes(random(random(5) === 0 ? 100_000 : 2000), random);
      const blob = zlib.gzipSync(bytes, { level: random(10), strategy: random(5), memLevel: 1 + random(9) });
      for (let count = random(3); count > 0; count--) {
        // Tables are at the start, and tell most.
        const at = random(2) === 0 ? 10 + random(80) : random(blob.length);
        if (at < blob.length) blob[at] = random(2) === 0 ? random(256) : (blob[at] ?? 0) ^ (1 << random(8));
      }
      const step = [1, 37, 5000, blob.length][random(4)] ?? 1;
      expect(outcome(() => read(blob, 'gzip', blob.length > 5000 ? blob.length : step))).toEqual(
        outcome(() => {
          const options = { info: true, maxOutputLength: 2 ** 24 } as object;
          const { buffer, engine } = zlib.gunzipSync(blob, options) as unknown as {
            buffer: Buffer;
            engine: zlib.Gunzip;
          };
          // What it leaves over without a word is a fault here.
          if (engine.bytesWritten !== blob.length) throw new Error('bytes behind the end');
          good++;
          return buffer;
        }),
      );
    }
    expect(good).toBeGreaterThan(100);
  });

  function outcome(decode: () => Buffer): string {
    try {
      return decode().toString('base64');
    } catch {
      return 'refused';
    }
  }

  it('takes over no more than the addon allows, and answers for misuse', () => {
    const { BlobReader } = addon();
    expect(() => new BlobReader(-1, 'gzip', 'sha256')).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => new BlobReader(0, 'bzip2' as 'gzip', 'sha256')).toThrow(TypeError);
    expect(() => new BlobReader('0' as unknown as number, 'gzip', 'sha256')).toThrow(TypeError);
    expect(() => new BlobReader(0, 'gzip', 'md5' as 'sha256')).toThrow(TypeError);
    const fd = openSync(folder, constants.O_RDONLY);
    const reader = new BlobReader(fd, 'none', 'sha512');
    expect(() => reader.allow(-1, true)).toThrow(TypeError);
    expect(() => reader.allow(1, 1 as unknown as boolean)).toThrow(TypeError);
    reader.allow(1, true);
    expect(() => {
      while (reader.next() === 'nothing');
    }).toThrow(expect.objectContaining({ code: 'EISDIR', syscall: 'pread' }));
    expect(() => reader.digest()).toThrow('no digest');
    reader.close();
    reader.close();
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(readSync.bind(undefined, fd, Buffer.alloc(1))).toThrow(expect.objectContaining({ code: 'EISDIR' }));
    closeSync(fd);
  });

  it('ends its thread when closed, collected, or left by a worker that ends', { timeout: 60_000 }, async () => {
    const blob = join(folder, 'large');
    writeFileSync(blob, zlib.gzipSync(mixedBytes(3_000_000), { level: 1 }));
    const script = `
      const { openSync, readdirSync } = require('node:fs');
      const { Worker } = require('node:worker_threads');
      const [, packageFolder, blob] = process.argv;
      const count = () => [readdirSync('/proc/self/task').length, readdirSync('/proc/self/fd').length].join();
      const code = \`
        const { parentPort, workerData: [packageFolder, fd, isBusy] } = require('node:worker_threads');
        const { BlobReader } = require('node-gyp-build')(packageFolder);
        const readers = Array.from({ length: 4 }, () => new BlobReader(fd, 'gzip', 'sha512'));
        for (const reader of readers) reader.allow(1e9, true);
        for (let i = 0; i < 3; i++) readers[0].next();
        parentPort.postMessage('ready');
        if (isBusy) for (;;) readers[0].next();\`;
      (async () => {
        const { BlobReader } = require('node-gyp-build')(packageFolder);
        const fd = openSync(blob);
        const run = async (isBusy) => {
          const worker = new Worker(code, { eval: true, workerData: [packageFolder, fd, isBusy] });
          await new Promise((resolve) => worker.once('message', resolve));
          await worker.terminate();
          const reader = new BlobReader(fd, 'gzip', 'sha256');
          reader.allow(1e9, true);
          reader.next();
          reader.close();
          new BlobReader(fd, 'none', 'sha512');
        };
        const settle = async () => { for (let i = 0; i < 5; i++) { gc(); await new Promise(setImmediate); } };
        for (let i = 0; i < 3; i++) await run(false);
        await settle();
        const before = count();
        for (let i = 0; i < 20; i++) await run(i % 2 === 0);
        await settle();
        console.log(count() === before ? 'same' : before + ' then ' + count());
      })();`;
    const options = { cwd: packageFolder, timeout: 50_000 };
    const args = ['--expose-gc', '-e', script, packageFolder, blob];
    const { stdout } = await promisify(execFile)(process.execPath, args, options);
    expect(stdout).toBe('same\n');
  });
});
