import { access, lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archive, base256, entry, file, folder, hardlink, pax, symlink } from './archive-builder.js';
import { expectError } from './reading.js';
import { isRoot, isWhiteout, needsRoot, opaqueFolders, Sandbox, xattrsOf } from './sandbox.js';

/** What is written of hostile archives, in all their forms; the table of attacks itself is in unpack-table.ts. */
describe.skipIf(!isRoot)(`unpacking attacks (${needsRoot})`, { timeout: 30_000 }, () => {
  let sandbox: Sandbox;
  const text = (...parts: string[]) => readFile(sandbox.path(...parts), 'utf8');
  const mode = async (...parts: string[]) => (await lstat(sandbox.path(...parts))).mode & 0o7777;

  beforeEach(async () => {
    sandbox = await Sandbox.create();
  });
  afterEach(() => sandbox.close());

  it.each(['../victim', '../../x', 'a/../../victim', 'a/..', '..'])('F %s is refused', async (name) => {
    await expectError(sandbox.apply(archive(folder('a'), file(name))), 'INVALID_ARCHIVE', /\.\./);
  });

  it('F /etc/x, .//a/./b stay inside', async () => {
    await sandbox.apply(archive(file('/etc/x', 'one'), file('.//a/./b', 'two'), folder('//c//')));
    expect([await text('etc/x'), await text('a/b')]).toEqual(['one', 'two']);
    expect((await lstat(sandbox.path('c'))).isDirectory()).toBe(true);
  });

  it('S l->/etc then F l/x: the link leads to the root of the layer', async () => {
    await sandbox.apply(archive(folder('etc'), symlink('l', '/etc'), file('l/x', 'inside')));
    expect(await text('etc/x')).toBe('inside');
    expect(await readlink(sandbox.path('l'))).toBe('/etc');
  });

  it('S l->../../.. then F l/victim: `..` stops at the root of the layer', async () => {
    await sandbox.apply(archive(symlink('l', '../../..'), file('l/victim', 'inside')));
    expect(await text('victim')).toBe('inside');
  });

  it('chains of links, and links to nowhere or in a circle', async () => {
    await sandbox.apply(
      archive(folder('real'), symlink('a', 'b'), symlink('b', '/c'), symlink('c', './real'), file('a/x', 'inside')),
    );
    expect(await text('real/x')).toBe('inside');
    await sandbox.close();
    sandbox = await Sandbox.create();
    await expectError(sandbox.apply(archive(symlink('l', '/nowhere'), file('l/x'))), 'INVALID_ARCHIVE');
    await sandbox.close();
    sandbox = await Sandbox.create();
    await expectError(sandbox.apply(archive(symlink('a', 'b'), symlink('b', 'a'), file('a/x'))), 'INVALID_ARCHIVE');
  });

  it('a path through /proc, as the layer sees it, has no magic links', async () => {
    await expectError(sandbox.apply(archive(symlink('l', '/proc/self/root'), file('l/victim'))), 'INVALID_ARCHIVE');
  });

  it('S f->../victim then F f: the link is replaced, never written through', async () => {
    await sandbox.apply(archive(symlink('f', '../victim'), file('f', 'mine')));
    expect((await lstat(sandbox.path('f'))).isFile()).toBe(true);
    expect(await text('f')).toBe('mine');
  });

  it('D foo, F foo/t, S foo->/, F foo/t: resolved again for each entry', async () => {
    await sandbox.apply(archive(folder('foo'), file('foo/t', 'one'), symlink('foo', '/'), file('foo/t', 'two')));
    expect(await readlink(sandbox.path('foo'))).toBe('/');
    expect(await text('t')).toBe('two');
  });

  it.each([
    ['S ./->/', symlink('./', '/')],
    ['S /.->/', symlink('/.', '/')],
    ['F .', file('.')],
    ['H .->f', hardlink('.', 'f')],
    ['device /', entry({ name: '/', type: '3', device: [1, 3] })],
  ])('the root as anything but a folder (%s) is refused', async (_, root) => {
    await expectError(sandbox.apply(archive(file('f'), root)), 'INVALID_ARCHIVE', /root/);
    expect((await lstat(sandbox.target)).isDirectory()).toBe(true);
  });

  it('H p->/etc/passwd is looked for in the layer', async () => {
    await expectError(sandbox.apply(archive(hardlink('p', '/etc/passwd'))), 'INVALID_ARCHIVE', /not in the layer/);
    await expectError((await fresh()).apply(archive(hardlink('p', sandbox.victim))), 'INVALID_ARCHIVE');
    await expectError((await fresh()).apply(archive(hardlink('p', '../victim'))), 'INVALID_ARCHIVE');
    await expectError((await fresh()).apply(archive(symlink('l', '..'), hardlink('p', 'l/victim'))), 'INVALID_ARCHIVE');
  });

  it('H through a link whose target is in the layer is inside', async () => {
    await sandbox.apply(archive(file('etc/x'), symlink('l', '/etc'), hardlink('p', 'l/x')));
    expect((await stat(sandbox.path('p'))).ino).toBe((await stat(sandbox.path('etc/x'))).ino);
  });

  it('S ep->../victim, H k->ep: the link itself is linked, and nothing is set through it', async () => {
    const link = entry({ name: 'ep', type: '2', linkName: '../victim', mode: 0o4777, uid: 12, mtime: 1 });
    const hard = entry({ name: 'k', type: '1', linkName: 'ep', mode: 0o6777, uid: 13, mtime: 2 });
    await sandbox.apply(archive(link, hard));
    const [ep, k] = await Promise.all([lstat(sandbox.path('ep')), lstat(sandbox.path('k'))]);
    expect(k.isSymbolicLink()).toBe(true);
    expect([k.ino, ep.uid, ep.mtimeMs]).toEqual([ep.ino, 12, 1000]);
  });

  it('H before its target, to a folder, or to the root is refused; to itself it does nothing', async () => {
    await expectError(sandbox.apply(archive(hardlink('a', 'b'), file('b'))), 'INVALID_ARCHIVE');
    await expectError((await fresh()).apply(archive(folder('d'), hardlink('a', 'd'))), 'INVALID_ARCHIVE', /folder/);
    await expectError((await fresh()).apply(archive(hardlink('a', '/'))), 'INVALID_ARCHIVE', /root/);
    await (await fresh()).apply(archive(file('a', 'kept'), hardlink('a', './a')));
    expect(await text('a')).toBe('kept');
  });

  it.each(['.wh..', '.wh...', 'etc/.wh..', '.wh.', 'a/.wh.', '.wh..wh.', '.wh..wh.unknown', '.wh..wh..opq.x'])(
    'whiteout %s is refused',
    async (name) => {
      await expectError(sandbox.apply(archive(file('keep'), file(name, ''))), 'INVALID_ARCHIVE', /whiteout/);
      expect(await readdir(sandbox.target)).toEqual(['keep']);
    },
  );

  it('a whiteout becomes a character device 0:0, an opaque one an attribute', async () => {
    await sandbox.apply(archive(file('a/.wh.gone', ''), folder('b'), file('b/.wh..wh..opq', '')));
    expect(await isWhiteout(sandbox.path('a/gone'))).toBe(true);
    expect(opaqueFolders(sandbox.target)).toEqual(['b']);
    expect(await readdir(sandbox.path('b'))).toEqual([]);
  });

  it('whiteout and opaque through a linked folder are resolved inside; .wh.l hides the link alone', async () => {
    await sandbox.apply(
      archive(
        folder('real'),
        symlink('l', '/real'),
        file('l/.wh.x', ''),
        file('l/.wh..wh..opq', ''),
        file('real/y'),
        file('.wh.m', ''),
      ),
    );
    expect(await isWhiteout(sandbox.path('real/x'))).toBe(true);
    expect(opaqueFolders(sandbox.target)).toEqual(['real']);
    expect(await readlink(sandbox.path('l'))).toBe('/real');
    expect(await isWhiteout(sandbox.path('m'))).toBe(true);
  });

  it('entries of the same layer survive its whiteouts in any order', async () => {
    await sandbox.apply(
      archive(
        file('a/b', 'early'),
        file('a/.wh..wh..opq', ''),
        file('a/c', 'late'),
        file('f', 'early'),
        file('.wh.f', ''),
        file('.wh.g', ''),
        file('g', 'late'),
        folder('d'),
        file('d/x'),
        file('.wh.d', ''),
        file('.wh.e', ''),
        folder('e'),
        file('.wh.i', ''),
        file('i/j/k'),
      ),
    );
    expect([await text('a/b'), await text('a/c'), await text('f'), await text('g')]).toEqual([
      'early',
      'late',
      'early',
      'late',
    ]);
    expect(await text('d/x')).toBe('content');
    // What the whiteout hides below must not come back as a merge with the folder.
    expect(opaqueFolders(sandbox.target)).toEqual(['a', 'd', 'e', 'i']);
  });

  it('an entry inside a whiteout, and a hard link to one, are refused; what AUFS left is passed over', async () => {
    await expectError(sandbox.apply(archive(file('a/.wh.b/c'))), 'INVALID_ARCHIVE', /whiteout/);
    await expectError((await fresh()).apply(archive(file('.wh.a', ''), hardlink('b', 'a'))), 'INVALID_ARCHIVE');
    await expectError((await fresh()).apply(archive(file('.wh.a', ''), hardlink('b', '.wh.a'))), 'INVALID_ARCHIVE');
    await expectError((await fresh()).apply(archive(file('a/.wh..wh.plnk/x'))), 'INVALID_ARCHIVE');
    await (await fresh()).apply(archive(folder('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs', '')));
    expect(await readdir(sandbox.target)).toEqual([]);
  });

  it('overlay attributes are stripped, others kept', async () => {
    const kept = Buffer.from([0xff, 0x00, 0x0a]);
    const records: [string, string | Buffer][] = [
      ['SCHILY.xattr.trusted.overlay.opaque', 'y'],
      ['SCHILY.xattr.trusted.overlay.redirect', '/etc'],
      ['SCHILY.xattr.user.overlay.opaque', 'y'],
      ['SCHILY.xattr.trusted.other', kept],
    ];
    await sandbox.apply(archive(pax(records), folder('d'), pax(records), file('f'), pax(records), folder('./')));
    const found = xattrsOf(sandbox.target);
    for (const path of ['', 'd', 'f'])
      expect(found.get(path)).toEqual(new Map([['trusted.other', kept.toString('hex')]]));
  });

  it('char 0:0 in a layer is refused', async () => {
    const forged = entry({ name: 'w', type: '3', device: [0, 0] });
    await expectError(sandbox.apply(archive(forged)), 'INVALID_ARCHIVE', /0:0/);
  });

  it('devices: numbers in range are kept, others refused', async () => {
    const device = (name: string, type: string, major: number | Buffer, minor: number | Buffer) =>
      entry({ name, type, device: [major, minor], mode: 0o620, uid: 7 });
    await sandbox.apply(
      archive(device('null', '3', 1, 3), device('max', '4', 4095, 0o3777777), entry({ name: 'p', type: '6' })),
    );
    const status = await lstat(sandbox.path('null'));
    expect([status.isCharacterDevice(), status.rdev, status.mode & 0o7777, status.uid]).toEqual([
      true,
      0x103,
      0o620,
      7,
    ]);
    expect((await lstat(sandbox.path('max'))).isBlockDevice()).toBe(true);
    expect((await lstat(sandbox.path('p'))).isFIFO()).toBe(true);
    for (const [major, minor] of [
      [4096, 0],
      [1, base256(1n << 20n, 8)],
      [base256(-1n, 8), 1],
    ] as const) {
      await expectError((await fresh()).apply(archive(device('d', '4', major, minor))), 'INVALID_ARCHIVE', /range/);
    }
  });

  it('mode 04755 and binary file capabilities survive the change of owner', async () => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const records: [string, Buffer][] = [['SCHILY.xattr.security.capability', capability]];
    await sandbox.apply(
      archive(
        entry({ name: 'su', body: 'x', mode: 0o6755, uid: 1000, gid: 1000 }),
        pax(records),
        entry({ name: 'ping', body: 'x'.repeat(300_000), mode: 0o755, uid: 1000 }),
      ),
    );
    expect([await mode('su'), (await stat(sandbox.path('su'))).uid]).toEqual([0o6755, 1000]);
    expect(xattrsOf(sandbox.target).get('ping')?.get('security.capability')).toBe(capability.toString('hex'));
  });

  it('same name twice: the last wins, whatever the types', async () => {
    const kinds = {
      file: file('x', 'body'),
      folder: Buffer.concat([folder('x'), file('x/in')]),
      link: symlink('x', '../victim'),
      fifo: entry({ name: 'x', type: '6' }),
      hard: hardlink('x', 'other'),
    };
    for (const first of Object.values(kinds)) {
      for (const [name, last] of Object.entries(kinds)) {
        await fresh();
        await sandbox.apply(archive(file('other', 'linked'), first, last));
        const status = await lstat(sandbox.path('x'));
        expect([status.isFile(), status.isDirectory(), status.isSymbolicLink(), status.isFIFO()]).toEqual([
          name === 'file' || name === 'hard',
          name === 'folder',
          name === 'link',
          name === 'fifo',
        ]);
        if (name === 'file') expect(await text('x')).toBe('body');
        if (name === 'hard') expect(await text('x')).toBe('linked');
      }
    }
  });

  it('a folder over a folder keeps what is in it and takes the new metadata', async () => {
    await sandbox.apply(
      archive(folder('d', 0o700), file('d/f'), entry({ name: 'd', type: '5', mode: 0o1750, uid: 5 })),
    );
    expect([await mode('d'), (await lstat(sandbox.path('d'))).uid, await text('d/f')]).toEqual([0o1750, 5, 'content']);
  });

  it('a path of 10^5 components, a name of 256 bytes, a path of 4096 bytes are refused', async () => {
    for (const name of [
      'a/'.repeat(100_000),
      `${'a/'.repeat(1024)}b`,
      'n'.repeat(256),
      `${'n'.repeat(255)}/`.repeat(17),
    ]) {
      const bytes = archive(pax([['path', `${name}f`]]), file('f'));
      await expectError(sandbox.apply(bytes), 'INVALID_ARCHIVE', /a path/);
    }
    const deepest = `${'a/'.repeat(1023)}b`;
    await sandbox.apply(archive(pax([['path', deepest]]), file('f'), file('n'.repeat(100))));
    expect(await text(deepest)).toBe('content');
  });

  it('missing folders count as entries', async () => {
    const deep = pax([['path', `${'a/'.repeat(50)}f`]]);
    await expectError(sandbox.apply(archive(deep, file('f')), { budget: { entries: 50 } }), 'LIMIT_EXCEEDED');
    await (await fresh()).apply(archive(deep, file('f')), { budget: { entries: 51 } });
  });

  it('a folder nested deeper than any path reaches can be replaced and removed', async () => {
    const deep = `${`${'d'.repeat(250)}/`.repeat(15)}end`;
    const step = (from: string, link: string) => [
      pax([['path', `${from}/${deep}`]]),
      folder('x'),
      pax([['linkpath', `${from}/${deep}`]]),
      symlink(link, 'x'),
    ];
    const nested = [...step('a', 'l1'), ...step('l1', 'l2'), ...step('l2', 'l3'), file('l3/f')];
    const bytes = archive(...nested, file('a', 'flat'));
    await sandbox.apply(bytes);
    expect(await text('a')).toBe('flat');
    await (await fresh()).apply(archive(...nested));
  });

  it('missing folders are 0755 and root’s; the root is 0755 unless the layer says otherwise', async () => {
    await sandbox.apply(archive(file('a/b/c')));
    for (const name of ['.', 'a', 'a/b']) expect(await mode(name)).toBe(0o755);
    await (await fresh()).apply(
      archive(file('a/b/c'), entry({ name: './', type: '5', mode: 0o711, uid: 9, mtime: 77 })),
    );
    const root = await lstat(sandbox.target);
    expect([root.mode & 0o7777, root.uid, root.mtimeMs]).toEqual([0o711, 9, 77_000]);
  });

  it('times of folders are those of the archive, whatever was put into them later', async () => {
    await sandbox.apply(archive(entry({ name: 'd', type: '5', mtime: 5 }), file('d/f'), folder('d/e'), file('d/e/f')));
    expect((await lstat(sandbox.path('d'))).mtimeMs).toBe(5000);
    expect((await lstat(sandbox.path('d/e'))).mtimeMs).toBe(1_000_000_000_000);
  });

  it('a file where a folder is needed is refused', async () => {
    await expectError(sandbox.apply(archive(file('a'), file('a/b'))), 'INVALID_ARCHIVE', /not a folder/);
    await expect(access(sandbox.path('a/b'))).rejects.toThrow();
  });

  it('sparse files are written with their holes', async () => {
    const map = '2\n1000000\n3\n5000000\n2\n';
    const header = pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 's'],
      ['GNU.sparse.realsize', '9000000'],
    ]);
    const body = Buffer.concat([Buffer.from(map.padEnd(512, '\0')), Buffer.from('abcde')]);
    await sandbox.apply(archive(header, entry({ name: 'x', body })));
    const content = await readFile(sandbox.path('s'));
    expect([content.length, content.toString('latin1', 1_000_000, 1_000_003)]).toEqual([9_000_000, 'abc']);
    expect(content.toString('latin1', 5_000_000, 5_000_002)).toBe('de');
    expect((await stat(sandbox.path('s'))).blocks).toBeLessThan(1000);
  });

  /** Another sandbox in place of the present one. */
  async function fresh(): Promise<Sandbox> {
    await sandbox.close();
    sandbox = await Sandbox.create();
    return sandbox;
  }
});
