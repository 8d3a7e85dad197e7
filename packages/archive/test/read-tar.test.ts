import { describe, expect, it } from 'vitest';
import { readTar } from '../src/read-tar.js';
import { archive, base256, endMark, entry, file, folder, gnuLong, hardlink, pax, symlink } from './archive-builder.js';
import { expectError, inChunks, readAll, readNames } from './reading.js';

const long = `${'a'.repeat(90)}/${'b'.repeat(90)}/${'c'.repeat(90)}`;

describe('readTar', () => {
  it('gives every type of entry with its fields', async () => {
    const entries = await readAll(
      archive(
        folder('d/', 0o1777),
        entry({ name: 'd/f', body: 'hello', mode: 0o4755, uid: 1000, gid: 2000, mtime: 12345 }),
        symlink('d/s', '../x'),
        hardlink('d/h', 'd/f'),
        entry({ name: 'd/c', type: '3', device: [1, 3] }),
        entry({ name: 'd/b', type: '4', device: [8, 1] }),
        entry({ name: 'd/p', type: '6' }),
      ),
    );
    expect(entries.map(({ name, type, linkName }) => [name.toString(), type, linkName.toString()])).toEqual([
      ['d/', 'directory', ''],
      ['d/f', 'file', ''],
      ['d/s', 'symlink', '../x'],
      ['d/h', 'hardlink', 'd/f'],
      ['d/c', 'character', ''],
      ['d/b', 'block', ''],
      ['d/p', 'fifo', ''],
    ]);
    expect(entries[0]).toMatchObject({ mode: 0o1777 });
    expect(entries[1]).toMatchObject({ mode: 0o4755, uid: 1000, gid: 2000, mtimeSeconds: 12345, size: 5 });
    expect(entries[1]?.content.toString()).toBe('hello');
    expect(entries[4]).toMatchObject({ devMajor: 1, devMinor: 3 });
    expect(entries[5]).toMatchObject({ devMajor: 8, devMinor: 1 });
  });

  it.each([1, 7, 511, 512, 513, 4096])('gives the same whatever the chunks: %i bytes', async (size) => {
    const bytes = archive(
      pax([['path', long]]),
      file('x', 'a'.repeat(1000)),
      gnuLong('L', `${long}/gnu`),
      file('y', 'b'.repeat(512)),
      gnuLong('K', `${long}/target`),
      symlink('z', 't'),
    );
    const whole = await readAll(bytes);
    expect(whole.map(({ name }) => name.toString())).toEqual([long, `${long}/gnu`, 'z']);
    expect(whole[2]?.linkName.toString()).toBe(`${long}/target`);
    expect(await readAll(bytes, size)).toEqual(whole);
  });

  it('joins the prefix of POSIX headers only', async () => {
    const gnuMagic: [number, Buffer][] = [[257, Buffer.from('ustar  \0')]];
    expect(
      await readNames(
        archive(entry({ name: 'n', prefix: 'p/q' }), entry({ name: 'n', prefix: 'junk', raw: gnuMagic })),
      ),
    ).toEqual(['p/q/n', 'n']);
  });

  it('takes a version 7 file whose name ends in a slash for a folder', async () => {
    const noMagic: [number, Buffer][] = [[257, Buffer.alloc(8)]];
    const [first] = await readAll(archive(entry({ name: 'd/', type: '\0', raw: noMagic })));
    expect(first?.type).toBe('directory');
  });

  it('reads numbers in base-256, negative times included', async () => {
    const [first] = await readAll(
      archive(
        entry({ name: 'f', uid: base256(4_000_000_000n, 8), gid: base256(7n, 8), mtime: base256(-5n, 12), body: 'x' }),
      ),
    );
    expect(first).toMatchObject({ uid: 4_000_000_000, gid: 7, mtimeSeconds: -5 });
  });

  it('reads PAX times to the nanosecond, before the epoch too', async () => {
    const times = ['1.5', '-1.25', '7', '1.1234567899'];
    const entries = await readAll(archive(...times.flatMap((mtime) => [pax([['mtime', mtime]]), file('f')])));
    expect(entries.map(({ mtimeSeconds, mtimeNanoseconds }) => [mtimeSeconds, mtimeNanoseconds])).toEqual([
      [1, 500_000_000],
      [-2, 750_000_000],
      [7, 0],
      [1, 123_456_789],
    ]);
  });

  it('keeps extended attributes as bytes', async () => {
    const value = Buffer.from([1, 0, 0, 2, 0xff, 0x80, 0x0a, 0x3d]);
    const [first] = await readAll(archive(pax([['SCHILY.xattr.security.capability', value]]), file('f')));
    expect(first?.xattrs).toEqual([{ name: Buffer.from('security.capability'), value }]);
  });

  it('skips bodies that are not read', async () => {
    const names: string[] = [];
    for await (const { name } of readTar(inChunks(archive(file('a', 'x'.repeat(5000)), file('b')), 100))) {
      names.push(name.toString());
    }
    expect(names).toEqual(['a', 'b']);
  });

  it('refuses to read a body after its entry', async () => {
    const bodies: AsyncIterable<Uint8Array>[] = [];
    for await (const { body } of readTar(inChunks(archive(file('a'), file('b'))))) bodies.push(body);
    const drain = async () => {
      for await (const piece of bodies[0] ?? []) expect(piece).toBeDefined();
    };
    await expectError(drain(), 'CLOSED');
  });

  it('closes the source when the reader stops early', async () => {
    let isClosed = false;
    async function* source() {
      try {
        yield archive(file('a'), file('b'));
        yield Buffer.alloc(512);
      } finally {
        isClosed = true;
      }
    }
    for await (const { name } of readTar(source())) {
      expect(name.toString()).toBe('a');
      break;
    }
    expect(isClosed).toBe(true);
  });

  it('passes on what the source throws, and stops when aborted', async () => {
    const fault = new Error('disk on fire');
    async function* failing() {
      yield file('a');
      throw fault;
    }
    const iterate = async (signal?: AbortSignal) => {
      for await (const { name } of readTar(failing(), { signal })) expect(name.toString()).toBe('a');
    };
    await expect(iterate()).rejects.toBe(fault);
    await expectError(iterate(AbortSignal.abort()), 'ABORTED');
  });

  it('accepts an archive without an end mark, and an empty one', async () => {
    expect(await readNames(file('a'))).toEqual(['a']);
    expect(await readNames(Buffer.alloc(0))).toEqual([]);
    expect(await readNames(endMark)).toEqual([]);
  });

  it('passes over a global header that only comments', async () => {
    expect(await readNames(archive(pax([['comment', '0123abcd']], 'g'), file('a')))).toEqual(['a']);
  });
});
