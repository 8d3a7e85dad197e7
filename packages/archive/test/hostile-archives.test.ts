import { describe, expect, it } from 'vitest';
import { archive, base256, endMark, entry, file, folder, gnuLong, pax, symlink } from './archive-builder.js';
import { expectError, readAll, readNames } from './reading.js';

/** What the reader refuses, in all its forms; the table of attacks itself is in unpack-table.ts. */
describe('hostile archives', () => {
  it('names with bytes that are no UTF-8 stay two names', async () => {
    const names = [Buffer.from([0x61, 0xff]), Buffer.from([0x61, 0xfe])];
    const entries = await readAll(archive(...names.flatMap((name) => [pax([['path', name]]), file('x')])));
    expect(entries.map(({ name }) => name)).toEqual(names);
    expect((await readAll(archive(...names.map((name) => file(name))))).map(({ name }) => name)).toEqual(names);
  });

  it.each(['x', 'g', 'L', 'K'])('an extended header (%s) of 400 MB is refused at its header', async (type) => {
    const header = entry({ name: 'long', type, size: 400_000_000 }).subarray(0, 512);
    await expectError(readAll(header), 'LIMIT_EXCEEDED', /400000000/);
  });

  it.each([
    ['minus in octal', Buffer.from('-0000000001\0')],
    ['negative base-256', base256(-512n, 12)],
    ['over 2^53 in base-256', base256(2n ** 60n, 12)],
    ['digits that are not octal', Buffer.from('99999999999\0')],
    ['letters', Buffer.from('0000000000x\0')],
    ['digits behind the end of the number', Buffer.from('000 1234567\0')],
  ])('a size field with %s is an error', async (_, size) => {
    await expectError(readAll(archive(entry({ name: 'f', size }))), 'INVALID_ARCHIVE');
  });

  it.each(['-512', '', '0x200', '1e3', '99999999999999999999', '9007199254740993', ' 512'])(
    'a PAX size of %j is an error',
    async (size) => {
      await expectError(readAll(archive(pax([['size', size]]), file('f'))), 'INVALID_ARCHIVE');
    },
  );

  it.each([
    ['directory', '5'],
    ['symbolic link', '2'],
    ['hard link', '1'],
    ['device', '3'],
    ['FIFO', '6'],
  ])('a %s with a body is refused, so that no entry can hide in it', async (_, type) => {
    const smuggled = file('smuggled');
    await expectError(readAll(archive(entry({ name: 'e', linkName: 't', type, body: smuggled }))), 'INVALID_ARCHIVE');
    await expectError(
      readAll(archive(pax([['size', String(smuggled.length)]]), entry({ name: 'e', linkName: 't', type }), smuggled)),
      'INVALID_ARCHIVE',
    );
  });

  it('nothing is read behind the end mark', async () => {
    expect(await readNames(Buffer.concat([file('a'), endMark, file('b')]))).toEqual(['a']);
    expect(await readNames(Buffer.concat([file('a'), endMark, Buffer.from('garbage')]))).toEqual(['a']);
  });

  it('one lone zero block is an end mark', async () => {
    expect(await readNames(Buffer.concat([file('a'), Buffer.alloc(512), file('b')]))).toEqual(['a']);
  });

  it('a PAX size is for the entry, not for the long name between', async () => {
    const entries = await readAll(archive(pax([['size', '7']]), gnuLong('L', 'long'), file('f', 'content'), file('g')));
    expect(entries.map(({ name, size }) => [name.toString(), size])).toEqual([
      ['long', 7],
      ['g', 7],
    ]);
    expect(entries[0]?.content.toString()).toBe('content');
  });

  it.each([
    ['an empty PAX path', pax([['path', '']])],
    ['an empty PAX link path', pax([['linkpath', '']])],
    ['a NUL in a PAX path', pax([['path', 'a\0b']])],
    ['a NUL in a long name', gnuLong('L', 'a\0b')],
    ['an empty long name', gnuLong('L', '')],
    ['a global path', pax([['path', 'x']], 'g')],
    ['a global size', pax([['size', '0']], 'g')],
    ['a global attribute', pax([['SCHILY.xattr.user.x', 'y']], 'g')],
    ['two PAX headers', Buffer.concat([pax([['path', 'a']]), pax([['path', 'b']])])],
    ['two long names', Buffer.concat([gnuLong('L', 'a'), gnuLong('L', 'b')])],
    ['a PAX path and a long name', Buffer.concat([pax([['path', 'a']]), gnuLong('L', 'b')])],
    ['a record without an equals sign', entry({ name: 'p', type: 'x', body: '8 path x\n' })],
    ['a record without a key', entry({ name: 'p', type: 'x', body: '5 =x\n' })],
    ['a record that is longer than the header', entry({ name: 'p', type: 'x', body: '99 path=x\n' })],
    ['a record of length 0', entry({ name: 'p', type: 'x', body: '0 path=x\n' })],
    ['a record without its newline', entry({ name: 'p', type: 'x', body: '9 path=xy' })],
    ['a time that is none', pax([['mtime', 'yesterday']])],
  ])('%s is refused', async (_, header) => {
    await expectError(readAll(archive(header, symlink('f', 't'))), 'INVALID_ARCHIVE');
  });

  it('an empty name, and a file whose name is a folder, are refused', async () => {
    await expectError(readAll(archive(file(''))), 'INVALID_ARCHIVE', /empty name/);
    await expectError(readAll(archive(file('a/'))), 'INVALID_ARCHIVE', /ends in \//);
    await expectError(readAll(archive(symlink('l', ''))), 'INVALID_ARCHIVE', /empty link name/);
  });

  it.each(['D', 'M', 'V', 'X', 'Z', '\x80'])('type flag %j is refused', async (type) => {
    await expectError(readAll(archive(entry({ name: 'f', type }))), 'INVALID_ARCHIVE', /type flag/);
  });

  it('a wrong checksum is refused; one over signed bytes is taken', async () => {
    const wrong = file('f');
    wrong[0] = 0x67;
    await expectError(readAll(archive(wrong)), 'INVALID_ARCHIVE', /checksum/);
    const signed = file(Buffer.from([0xff, 0x80]));
    const stated = Number.parseInt(signed.toString('latin1', 148, 154), 8);
    signed.write((stated - 512).toString(8).padStart(6, '0'), 148, 'latin1');
    expect(await readAll(archive(signed))).toHaveLength(1);
  });

  it('an archive cut in a body, a header or an extended header is refused', async () => {
    const bytes = archive(pax([['path', 'p']]), file('f', 'x'.repeat(600)));
    const bodyStart = bytes.length - endMark.length - 1024;
    for (const cut of [bodyStart + 1, bodyStart + 599, bodyStart + 700, bodyStart - 5, 512, 530, 1024]) {
      await expectError(readAll(bytes.subarray(0, cut)), 'INVALID_ARCHIVE', /cut short|extended header/);
    }
  });

  it('an extended header that no entry follows is refused', async () => {
    await expectError(readAll(archive(pax([['path', 'x']]))), 'INVALID_ARCHIVE', /without its entry/);
  });

  it('a uid of 2^32 - 1, over it, or below 0 is refused', async () => {
    for (const uid of [2n ** 32n - 1n, 2n ** 32n, -1n]) {
      await expectError(readAll(archive(entry({ name: 'f', uid: base256(uid, 8) }))), 'INVALID_ARCHIVE', /uid/);
      await expectError(readAll(archive(entry({ name: 'f', gid: base256(uid, 8) }))), 'INVALID_ARCHIVE', /gid/);
      await expectError(readAll(archive(pax([['uid', String(uid)]]), file('f'))), 'INVALID_ARCHIVE', /uid/);
    }
  });

  it('budgets: bytes of the archive, of its files, and entries', async () => {
    const bytes = archive(file('a', 'x'.repeat(4000)), folder('d'), folder('e'));
    await expectError(readAll(bytes, undefined, { bytes: 4096 }), 'LIMIT_EXCEEDED', /budget\.bytes/);
    await expectError(readAll(bytes, undefined, { entries: 2 }), 'LIMIT_EXCEEDED', /budget\.entries/);
    const huge = entry({ name: 'f', size: 1_000_000 }).subarray(0, 512);
    await expectError(readAll(huge, undefined, { bytes: 999_999 }), 'LIMIT_EXCEEDED', /budget\.bytes/);
    await expectError(readAll(bytes, undefined, { entries: 0 }), 'INVALID_ARGUMENT', /budget\.entries/);
    expect(await readAll(bytes, undefined, { bytes: bytes.length, entries: 3 })).toHaveLength(3);
  });
});
