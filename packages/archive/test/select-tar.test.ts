import { describe, expect, it } from 'vitest';
import { readTar } from '../src/read-tar.js';
import { type SelectTarOptions, selectTar } from '../src/select-tar.js';
import { archive, entry, file, folder, hardlink, pax, symlink } from './archive-builder.js';
import { collect, expectError, inChunks } from './reading.js';

/** Names, with what links lead to. */
async function selected(bytes: Buffer, options: SelectTarOptions): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, type, linkName } of readTar(selectTar(inChunks(bytes, 1000), options))) {
    names.push(`${name}${type === 'symlink' ? ' -> ' : type === 'hardlink' ? ' = ' : ''}${linkName}`);
  }
  return names;
}

const image = archive(
  file('manifest', '{}'),
  folder('rootfs/', 0o711),
  folder('rootfs/usr'),
  folder('./rootfs//usr/bin/'),
  file('rootfs/usr/bin/app', 'app', 0o4755),
  hardlink('rootfs/usr/bin/same', 'rootfs/usr/bin/app'),
  symlink('rootfs/app', '/usr/bin/app'),
  entry({ name: 'rootfs/null', type: '3', device: [1, 3] }),
);
const appc = { stripPrefix: 'rootfs', refuseOutside: true, outside: new Set(['manifest']) };

describe('selectTar', () => {
  it('makes the entries below a folder those of a layer', async () => {
    const expected = [
      './',
      'usr/',
      'usr/bin/',
      'usr/bin/app',
      'usr/bin/same = usr/bin/app',
      'app -> /usr/bin/app',
      'null',
    ];
    expect(await selected(image, appc)).toEqual(expected);
    expect(await selected(image, { stripPrefix: '/rootfs/' })).toEqual(expected);
  });

  it('keeps all else of an entry', async () => {
    const name = Buffer.from('rootfs/\xff', 'latin1');
    const records: [string, string | Buffer][] = [
      ['path', name],
      ['mtime', '1.5'],
      ['SCHILY.xattr.security.capability', Buffer.from([1, 0, 0xff])],
    ];
    const bytes = archive(pax(records), entry({ name: 'x', body: 'body', mode: 0o4711, uid: 7, gid: 8 }));
    for await (const { body, ...header } of readTar(selectTar(inChunks(bytes), appc))) {
      expect(header).toMatchObject({
        name: Buffer.from([0xff]),
        mode: 0o4711,
        uid: 7,
        gid: 8,
        mtimeSeconds: 1,
        mtimeNanoseconds: 500_000_000,
        xattrs: [{ name: Buffer.from('security.capability'), value: Buffer.from([1, 0, 0xff]) }],
      });
      expect((await collect(body)).toString()).toBe('body');
    }
  });

  it('takes everything where no folder is named, with paths normalised', async () => {
    expect(await selected(archive(folder('./'), file('/etc//x'), file('./y')), {})).toEqual(['./', 'etc/x', 'y']);
  });

  it.each([
    ['beside it', file('evil')],
    ['of a similar name', file('rootfsx/evil')],
    ['below the manifest', file('manifest/evil')],
    ['a link outside', symlink('evil', 'rootfs')],
  ])('refuses an entry %s', async (_, outside) => {
    await expectError(selected(archive(file('rootfs/a'), outside), appc), 'INVALID_ARCHIVE', /not below "rootfs"/);
    expect(await selected(archive(file('rootfs/a'), outside), { stripPrefix: 'rootfs' })).toEqual(['a']);
  });

  it('refuses paths that lead out, names that a layer takes for whiteouts, and a root that is no folder', async () => {
    await expectError(selected(archive(file('rootfs/../evil')), appc), 'INVALID_ARCHIVE', /\.\./);
    await expectError(selected(archive(file('rootfs/a/.wh.b')), appc), 'INVALID_ARCHIVE', /\.wh\./);
    await expectError(selected(archive(file('rootfs/.wh..wh..opq')), appc), 'INVALID_ARCHIVE', /\.wh\./);
    await expectError(selected(archive(file('rootfs/.wh.a/b')), appc), 'INVALID_ARCHIVE', /\.wh\./);
    await expectError(selected(archive(symlink('rootfs', '/')), appc), 'INVALID_ARCHIVE', /root/);
    await expectError(selected(archive(hardlink('rootfs/a', 'manifest')), appc), 'INVALID_ARCHIVE', /left out/);
  });

  it('takes only the paths named, and the folders that lead to them', async () => {
    const only = new Set(['/usr/bin/app', '/app', '/no/such']);
    expect(await selected(image, { ...appc, only })).toEqual([
      './',
      'usr/',
      'usr/bin/',
      'usr/bin/app',
      'app -> /usr/bin/app',
    ]);
    const parts = archive(folder('rootfs/usr'), folder('rootfs/usr/bin'), file('rootfs/usr/bin/app'), file('rootfs/b'));
    expect(await selected(parts, { ...appc, only: new Set(['/usr']) })).toEqual(['usr/']);
    expect(await selected(parts, { ...appc, only: new Set(['/b']) })).toEqual(['b']);
    expect(await selected(parts, { ...appc, only: new Set() })).toEqual([]);
    await expectError(selected(image, { ...appc, only: new Set(['/usr/bin/same']) }), 'INVALID_ARCHIVE', /left out/);
  });

  it('holds the archive to a budget, and stops when aborted', async () => {
    await expectError(selected(image, { ...appc, budget: { entries: 3 } }), 'LIMIT_EXCEEDED');
    await expectError(selected(image, { ...appc, signal: AbortSignal.abort() }), 'ABORTED');
  });
});
