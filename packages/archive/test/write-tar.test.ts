import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compress } from '../src/compress.js';
import { readTar } from '../src/read-tar.js';
import { type TarInput, writeTar } from '../src/write-tar.js';
import { noise } from './contents.js';
import { collect, expectError, inChunks } from './reading.js';
import { readWithPython } from './tree-listing.js';

const write = (entries: Iterable<TarInput>, options = {}) => collect(writeTar(entries, options));

/** Bytes of a name: long ones, such that are no UTF-8, and whatever a format might take for its own. */
const name = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 ? 0x61 : byte))))
  .map((bytes) => (bytes.at(-1) === 0x2f ? Buffer.concat([bytes, Buffer.from('x')]) : bytes));
const anyName = fc.oneof(
  name,
  fc.integer({ min: 1, max: 300 }).map((length) => Buffer.alloc(length, 'name')),
);
const xattrName = fc.oneof(
  name,
  fc.constantFrom('a=b', '100%', '%3D', '%25', '%253D', '=%').map((text) => Buffer.from(text)),
);
const xattr = fc.record({ name: xattrName.map((bytes) => Buffer.concat([Buffer.from('user.'), bytes])), value: name });
const wholeNumber = (min: number, max: number) => fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max));
const common = {
  name: anyName,
  mode: wholeNumber(0, 0o7777),
  uid: wholeNumber(0, 2 ** 32 - 2),
  gid: wholeNumber(0, 2 ** 32 - 2),
  mtimeSeconds: wholeNumber(-(2 ** 40), 2 ** 40),
  mtimeNanoseconds: wholeNumber(0, 999_999_999),
  xattrs: fc.array(xattr, { maxLength: 3 }),
};
const entry: fc.Arbitrary<TarInput> = fc.oneof(
  fc.record({ ...common, type: fc.constant('file' as const), body: fc.uint8Array({ maxLength: 2000 }) }),
  fc.record({ ...common, type: fc.constantFrom('directory' as const, 'fifo' as const) }),
  fc.record({ ...common, type: fc.constantFrom('symlink' as const, 'hardlink' as const), linkName: anyName }),
  fc.record({
    ...common,
    type: fc.constantFrom('character' as const, 'block' as const),
    devMajor: wholeNumber(0, 0xfff),
    devMinor: wholeNumber(0, 0xfffff),
  }),
);

describe('writeTar', { timeout: 60_000 }, () => {
  it('writes what readTar reads, to the byte', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        const read: unknown[] = [];
        for await (const { body, ...header } of readTar(writeTar(entries))) {
          read.push({ ...header, body: await collect(body) });
        }
        const expected = entries.map((each) => ({
          devMajor: 0,
          devMinor: 0,
          ...each,
          linkName: Buffer.from(each.linkName ?? ''),
          size: each.body instanceof Uint8Array ? each.body.length : 0,
          body: Buffer.from(each.body instanceof Uint8Array ? each.body : ''),
        }));
        expect(read).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('writes what Python reads', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-write-tar-'));
    const path = join(folder, 'archive.tar');
    const text = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('latin1').replace(/\/+$/, '');
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 30 }), async (entries) => {
          // Python rounds times, and takes a hard link for the file it leads to, which these do not have.
          const whole = entries.map((each) => ({ ...each, mtimeNanoseconds: 0 }));
          const kept = whole.filter(({ type }) => type !== 'hardlink');
          await writeFile(path, await write(kept));
          const device = ({ type }: TarInput) => type === 'character' || type === 'block';
          expect(readWithPython(path).map((fields) => [...fields.slice(0, 7), fields[8]])).toEqual(
            kept.map((each) => [
              text(each.name),
              each.type,
              each.mode,
              each.uid,
              each.gid,
              each.mtimeSeconds,
              each.body instanceof Uint8Array ? each.body.length : 0,
              device(each) ? [each.devMajor, each.devMinor] : [0, 0],
            ]),
          );
        }),
        { numRuns: 10, endOnFailure: true },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('writes plain entries as ustar alone, which every tar reads', async () => {
    const bytes = await write([
      { name: 'etc/', type: 'directory' },
      { name: 'etc/motd', body: 'hello', mtimeSeconds: 7 },
    ]);
    expect(bytes.length).toBe(512 * 5);
    expect(execFileSync('tar', ['-tvf', '-', '--utc', '--full-time'], { input: bytes, encoding: 'utf8' })).toBe(
      'drwxr-xr-x 0/0               0 1970-01-01 00:00:00 etc/\n-rw-r--r-- 0/0               5 1970-01-01 00:00:07 etc/motd\n',
    );
  });

  it('writes holes as GNU tar reads them', async () => {
    const body = [Buffer.alloc(1024, 'a'), Buffer.alloc(64, 'd')];
    const segments = [
      { offset: 1_024_000, length: 1024 },
      { offset: 8_999_936, length: 64 },
    ];
    const bytes = await write([
      { name: 'holes', size: 9_000_000, segments, body },
      { name: 'next', body: 'x' },
    ]);
    expect(bytes.length).toBeLessThan(10_000);
    const content = execFileSync('tar', ['-xOf', '-', 'holes'], { input: bytes, maxBuffer: 2 ** 24 });
    const expected = Buffer.alloc(9_000_000);
    expected.fill('a', 1_024_000, 1_025_024);
    expected.fill('d', 8_999_936);
    expect(content.equals(expected)).toBe(true);
    const names: string[] = [];
    for await (const each of readTar(inChunks(bytes))) {
      names.push(`${each.name} ${each.size}`);
      if (each.size > 1) expect((await collect(each.body)).equals(expected)).toBe(true);
    }
    expect(names).toEqual(['holes 9000000', 'next 1']);
    const empty = await write([{ name: 'hole', size: 3_000_000, segments: [{ offset: 3_000_000, length: 0 }] }]);
    for await (const each of readTar(inChunks(empty))) expect((await collect(each.body)).length).toBe(3_000_000);
    expect(
      execFileSync('tar', ['-xOf', '-'], { input: empty, maxBuffer: 2 ** 24 }).equals(Buffer.alloc(3_000_000)),
    ).toBe(true);
  });

  it('gives every entry the time asked for', async () => {
    const entries = [
      { name: 'a', mtimeSeconds: 5, mtimeNanoseconds: 6 },
      { name: 'b', mtimeSeconds: -1 },
    ];
    for await (const each of readTar(writeTar(entries, { mtime: 1_700_000_000 }))) {
      expect([each.mtimeSeconds, each.mtimeNanoseconds]).toEqual([1_700_000_000, 0]);
    }
    const same = entries.map((each) => ({ ...each, mtimeSeconds: 8 }));
    expect((await write(entries, { mtime: 9 })).equals(await write(same, { mtime: 9 }))).toBe(true);
  });

  it('takes bodies of every kind', async () => {
    async function* pieces() {
      yield Buffer.from('ab');
      yield Buffer.from('c');
    }
    const entries = [
      { name: '1', body: 'äb' },
      { name: '2', size: 3, body: pieces() },
      { name: '3', size: 2, body: [Buffer.from('x'), Buffer.alloc(0), Buffer.from('y')] },
      { name: '4' },
    ];
    const read: string[] = [];
    for await (const { body } of readTar(writeTar(entries))) read.push((await collect(body)).toString());
    expect(read).toEqual(['äb', 'abc', 'xy', '']);
  });

  it.each([
    ['an empty name', { name: '' }, 'INVALID_ARGUMENT'],
    ['a NUL in a name', { name: 'a\0b' }, 'INVALID_ARGUMENT'],
    ['a link to nothing', { name: 'l', type: 'symlink' }, 'INVALID_ARGUMENT'],
    ['a size that is none', { name: 'f', size: -1 }, 'INVALID_ARGUMENT'],
    ['a folder with a body', { name: 'd', type: 'directory', size: 1, body: 'x' }, 'INVALID_ARGUMENT'],
    ['an owner out of range', { name: 'f', uid: 2 ** 32 - 1 }, 'INVALID_ARGUMENT'],
    ['a mode out of range', { name: 'f', mode: 0o10000 }, 'INVALID_ARGUMENT'],
    ['half a nanosecond', { name: 'f', mtimeNanoseconds: 0.5 }, 'INVALID_ARGUMENT'],
    [
      'a stretch that is no whole block',
      { name: 'f', size: 999, segments: [{ offset: 0, length: 3 }] },
      'INVALID_ARGUMENT',
    ],
    ['stretches out of order', { name: 'f', size: 9, segments: [{ offset: 8, length: 2 }] }, 'INVALID_ARGUMENT'],
    ['a body that is too short', { name: 'f', size: 3, body: 'ab' }, 'SIZE_MISMATCH'],
    ['a body that is too long', { name: 'f', size: 1, body: 'ab' }, 'SIZE_MISMATCH'],
  ] as const)('refuses %s', async (_, input, code) => {
    await expectError(write([input as TarInput]), code);
  });

  it('stops when aborted, and lets go of its entries', async () => {
    const controller = new AbortController();
    let isClosed = false;
    async function* entries(): AsyncGenerator<TarInput> {
      try {
        for (;;) {
          yield { name: 'f' };
          controller.abort();
        }
      } finally {
        isClosed = true;
      }
    }
    await expectError(collect(writeTar(entries(), { signal: controller.signal })), 'ABORTED');
    expect(isClosed).toBe(true);
  });
});

describe('compress', { timeout: 30_000 }, () => {
  it('gives the same blob for the same bytes, at any level, and nothing for none', async () => {
    const bytes = noise(300_000);
    for (const level of [1, 6, 9]) {
      const blob = await collect(compress(inChunks(bytes, 1000), 'gzip', level));
      expect(gunzipSync(blob).equals(bytes)).toBe(true);
      expect(blob.equals(await collect(compress(inChunks(bytes, 77_777), 'gzip', level)))).toBe(true);
    }
    expect((await collect(compress(inChunks(bytes), 'none'))).equals(bytes)).toBe(true);
  });

  it('passes on what the source throws', async () => {
    const fault = new Error('disk gone');
    async function* failing() {
      yield noise(100);
      throw fault;
    }
    await expect(collect(compress(failing(), 'gzip'))).rejects.toBe(fault);
  });
});
