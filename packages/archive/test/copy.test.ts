import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CopyInOptions, copyIn, copyOut, writeTar } from '@gantry/archive';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TarInput } from '../src/write-tar.js';
import { collect, entryNames, expectError } from './reading.js';
import { isRoot, needsRoot } from './sandbox.js';
import { listTree, plantTree } from './tree-listing.js';

let base: string;
let root: string;
const at = (...parts: string[]) => join(root, ...parts);
const outside = (...parts: string[]) => join(base, 'outside', ...parts);

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'gantry-copy-'));
  root = join(base, 'root');
  await mkdir(at('data'), { recursive: true });
  await mkdir(outside());
  await writeFile(outside('secret'), 'of the host');
});
afterEach(() => rm(base, { recursive: true }));

async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array, void, undefined> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

const into = (folder: string, archive: CopyInOptions['archive'], signal?: AbortSignal) =>
  copyIn({ tree: { root }, folder, archive, ...(signal ? { signal } : {}) });
const intoData = (...entries: TarInput[]) => into('/data', writeTar(entries));
const from = (path: string) => copyOut({ tree: { root }, path });

describe.skipIf(!isRoot)(`copying (${needsRoot})`, { timeout: 60_000 }, () => {
  describe('a tree and GNU tar', () => {
    const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--same-owner'];

    it('out: it unpacks what was there, names beginning with the last part of the path', async () => {
      await mkdir(at('a/tree'), { recursive: true });
      plantTree(at('a/tree'), 'long');
      const archive = await collect(from('/a/tree/'));
      await mkdir(join(base, 'unpacked'));
      execFileSync('tar', ['-C', join(base, 'unpacked'), ...flags, '-xpf', '-'], { input: archive });
      expect(await readdir(join(base, 'unpacked'))).toEqual(['tree']);
      const listed = listTree(at('a/tree'));
      expect(Object.keys(listed).length).toBeGreaterThan(60);
      expect(listTree(join(base, 'unpacked/tree'))).toEqual(listed);
    });

    it.each(['posix', 'gnu'])('in: what it packs, in the format %s, comes out as it was', async (format) => {
      const source = join(base, 'source');
      await mkdir(join(source, 'tree'), { recursive: true });
      plantTree(join(source, 'tree'), 'long');
      for (const device of ['null', 'disk']) await rm(join(source, 'tree', device));
      const attributes = format === 'posix' ? flags : ['--numeric-owner'];
      const tar = spawn('tar', ['-C', source, `--format=${format}`, '--sparse', ...attributes, '-cf', '-', 'tree'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await into('/data', tar.stdout);
      const expected = listTree(join(source, 'tree'));
      const copied = listTree(at('data/tree'));
      if (format === 'gnu') {
        // That format has neither attributes nor parts of seconds.
        for (const items of [...Object.values(expected), ...Object.values(copied)]) {
          items[3] = Math.floor(Number(items[3]) / 1e9);
          items.pop();
        }
      }
      expect(copied).toEqual(expected);
      const { blocks, size } = await lstat(at('data/tree/sparse'));
      expect(blocks * 512).toBeLessThan(size / 2);
    });

    it('a copy of a copy is the same, byte for byte', async () => {
      await mkdir(at('tree'));
      plantTree(at('tree'), 'long');
      for (const device of ['null', 'disk']) await rm(at('tree', device));
      const archive = await collect(from('/tree'));
      await into('/data', pieces(archive, 1000));
      expect((await collect(from('/data/tree'))).equals(archive)).toBe(true);
    });
  });

  it('takes one file, one link, or all of the root', async () => {
    await writeFile(at('data/file'), 'body');
    await symlink('file', at('data/link'));
    await link(at('data/file'), at('data/other'));
    expect(await entryNames(from('/data/file'))).toEqual(['file']);
    expect(await entryNames(from('//data/./link'))).toEqual(['link']);
    expect(await entryNames(from('/'))).toEqual(['./', 'data/', 'data/file', 'data/link', 'data/other = data/file']);
  });

  it('finds its folder, and every other, as those do whose root it is', async () => {
    await mkdir(at('var/store'), { recursive: true });
    await symlink('/var/store', at('absolute'));
    await symlink('../../../../var', at('data/up'));
    await into('/absolute', writeTar([{ name: 'one', body: '1' }]));
    await into('/data/up/store', writeTar([{ name: 'two', body: '2' }]));
    await intoData({ name: 'up/store/three', body: '3' }, { name: 'up/new/four', body: '4' });
    expect((await readdir(at('var/store'))).sort()).toEqual(['one', 'three', 'two']);
    expect(await readFile(at('var/new/four'), 'utf8')).toBe('4');
    expect(await entryNames(from('/absolute/one'))).toEqual(['one']);
    expect(await entryNames(from('/data/up/store'))).toEqual(['store/', 'store/one', 'store/three', 'store/two']);
    // A link that the archive brings leads inside, too.
    await intoData({ name: 'l', type: 'symlink', linkName: outside() }, { name: 'l/secret', body: 'mine' }).catch(
      () => undefined,
    );
    expect(await readFile(outside('secret'), 'utf8')).toBe('of the host');
  });

  it('refuses the links that only /proc has', async () => {
    execFileSync('mount', ['--bind', `/proc/${process.pid}`, at('data')]);
    try {
      await expectError(into('/data/root', writeTar([])), 'WRONG_STATE', /\/data\/root/);
      await expectError(intoData({ name: 'cwd/x', body: '' }), 'WRONG_STATE', /"cwd\/x"/);
      await expectError(collect(from('/data/root/etc')), 'WRONG_STATE');
    } finally {
      execFileSync('umount', [at('data')]);
    }
  });

  it('replaces files, links and empty folders, and merges folders', async () => {
    await writeFile(at('data/file'), 'old');
    await link(at('data/file'), at('kept'));
    await symlink('/kept', at('data/link'));
    await mkdir(at('data/empty'));
    await mkdir(at('data/full'));
    await writeFile(at('data/full/old'), 'old');
    await intoData(
      { name: './', type: 'directory', mode: 0o700, uid: 9 },
      { name: 'file', body: 'new', uid: 5, gid: 6, mode: 0o4750, mtimeSeconds: 77 },
      { name: 'link', body: 'new' },
      { name: 'empty', type: 'symlink', linkName: 'file' },
      { name: 'full/', type: 'directory', mode: 0o711, mtimeSeconds: 88 },
      { name: 'full/new', body: 'new' },
    );
    expect(await readFile(at('kept'), 'utf8')).toBe('old');
    const { uid, gid, mode, mtimeMs } = await lstat(at('data/file'));
    expect({ uid, gid, mode: mode & 0o7777, mtimeMs }).toEqual({ uid: 5, gid: 6, mode: 0o4750, mtimeMs: 77_000 });
    expect((await lstat(at('data/link'))).isFile()).toBe(true);
    expect(await readlink(at('data/empty'))).toBe('file');
    expect((await readdir(at('data/full'))).sort()).toEqual(['new', 'old']);
    expect(await lstat(at('data/full'))).toMatchObject({ mtimeMs: 88_000, mode: 0o40711 });
    // The folder that is copied into is whatever its owner wants it to be.
    expect(await lstat(at('data'))).toMatchObject({ uid: 0, mode: 0o40755 });
  });

  it('removes no folder with something in it, and no mount', async () => {
    await mkdir(at('data/full/sub'), { recursive: true });
    await mkdir(at('data/mounted'));
    execFileSync('mount', ['-t', 'tmpfs', 'gantry-test', at('data/mounted')]);
    try {
      await expectError(intoData({ name: 'full', body: '' }), 'WRONG_STATE', /"full".*in the way/);
      await expectError(intoData({ name: 'mounted', body: '' }), 'WRONG_STATE', /"mounted": a mount is in the way/);
      await intoData({ name: 'mounted/', type: 'directory', mode: 0o700 }, { name: 'mounted/inside', body: 'x' });
      expect(await readFile(at('data/mounted/inside'), 'utf8')).toBe('x');
      expect(await entryNames(from('/data'))).toContain('data/mounted/inside');
    } finally {
      execFileSync('umount', [at('data/mounted')]);
    }
    expect(await readdir(at('data/mounted'))).toEqual([]);
    expect(await readdir(at('data/full'))).toEqual(['sub']);
  });

  it('takes whiteouts for names like others', async () => {
    await writeFile(at('data/hidden'), 'still here');
    const names = ['.wh.hidden', '.wh..wh..opq', '.wh.folder/.wh.'];
    await intoData(...names.map((name) => ({ name, body: name })));
    for (const name of names) expect(await readFile(at('data', name), 'utf8')).toBe(name);
    expect(await readFile(at('data/hidden'), 'utf8')).toBe('still here');
    const copied = await entryNames(from('/data'));
    expect(copied).toEqual(expect.arrayContaining(names.map((name) => `data/${name}`)));
  });

  it('gives devices out, and lets none in', async () => {
    execFileSync('mknod', [at('data/whiteout'), 'c', '0', '0']);
    execFileSync('mknod', [at('data/disk'), 'b', '7', '1']);
    const archive = await collect(from('/data'));
    expect(await entryNames(pieces(archive))).toEqual(['data/', 'data/disk', 'data/whiteout']);
    await expectError(into('/', pieces(archive)), 'UNSUPPORTED', /"data\/disk".*device/);
    expect((await lstat(at('data/disk'))).isBlockDevice()).toBe(true);
  });

  it('says what is not there, or is no folder', async () => {
    await writeFile(at('file'), '');
    await symlink('/nowhere', at('dangling'));
    for (const folder of ['/none', '/data/none', '/dangling']) {
      await expectError(into(folder, writeTar([])), 'NOT_FOUND', new RegExp(folder));
    }
    await expectError(into('/file', writeTar([])), 'WRONG_STATE', /no folder/);
    await expectError(collect(from('/none')), 'NOT_FOUND', /none/);
    await expectError(collect(from('/none/none')), 'NOT_FOUND');
    await expectError(collect(from('/file/none')), 'WRONG_STATE');
    for (const path of ['data', '', '/data/../data', '/da\0ta']) {
      await expectError(into(path, writeTar([])), 'INVALID_ARGUMENT', /without '\.\.'/);
      await expectError(collect(from(path)), 'INVALID_ARGUMENT');
    }
  });

  it('says which entry is malformed, or does not fit what is there', async () => {
    await writeFile(at('data/file'), '');
    await expectError(intoData({ name: '../x', body: '' }), 'INVALID_ARCHIVE', /"\.\.\/x"/);
    await expectError(intoData({ name: '/', type: 'symlink', linkName: '/etc' }), 'INVALID_ARCHIVE', /root/);
    await expectError(intoData({ name: 'h', type: 'hardlink', linkName: '.' }), 'INVALID_ARCHIVE', /hard link/);
    await expectError(intoData({ name: 'h', type: 'hardlink', linkName: 'none' }), 'WRONG_STATE', /"h".*not there/);
    await expectError(intoData({ name: 'file/x', body: '' }), 'WRONG_STATE', /"file\/x".*no folder/);
    const cut = (await collect(writeTar([{ name: 'long', body: 'x'.repeat(2000) }]))).subarray(0, 1500);
    await expectError(into('/data', pieces(cut)), 'INVALID_ARCHIVE', /cut short/);
    expect(await readdir(base)).toEqual(['outside', 'root']);
  });

  it('ends with its source, or when it is told to, whatever the source does', async () => {
    const fault = new Error('of the source');
    const broken = (async function* () {
      yield (await collect(writeTar([{ name: 'file', body: 'x' }]))).subarray(0, 600);
      throw fault;
    })();
    await expect(into('/data', broken)).rejects.toBe(fault);

    let returned = false;
    const endless = (async function* () {
      try {
        yield* writeTar([{ name: 'big', size: 2 ** 50, body: zeros() }]);
      } finally {
        returned = true;
      }
    })();
    const controller = new AbortController();
    const copying = into('/data', endless, controller.signal);
    await expect
      .poll(() =>
        lstat(at('data/big')).then(
          ({ size }) => size,
          () => 0,
        ),
      )
      .toBeGreaterThan(2 ** 20);
    controller.abort();
    await expectError(copying, 'ABORTED');
    await expect.poll(() => returned).toBe(true);

    const silent = new AbortController();
    let asked: () => void = () => undefined;
    const wanted = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const stalled = (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      asked();
      await new Promise(() => undefined);
    })();
    const waiting = into('/data', stalled, silent.signal);
    await wanted;
    silent.abort();
    await expectError(waiting, 'ABORTED');
    await expectError(into('/data', zeros(), AbortSignal.abort()), 'ABORTED');
  });

  it('sees the root that a descriptor holds, wherever its name has gone', async () => {
    const handle = await open(root);
    try {
      execFileSync('mv', [root, join(base, 'moved')]);
      await mkdir(root);
      const pinned = `/proc/self/fd/${handle.fd}/.`;
      await copyIn({ tree: { root: pinned }, folder: '/data', archive: writeTar([{ name: 'file', body: 'x' }]) });
      expect(await entryNames(copyOut({ tree: { root: pinned }, path: '/data' }))).toEqual(['data/', 'data/file']);
      expect(await readdir(root)).toEqual([]);
    } finally {
      await handle.close();
    }
  });

  describe('while folders are swapped for links', () => {
    // Exchanges /data/d, a folder, with /data/l, a link that leads outside for whoever follows it from the host's root.
    const swapping = `import ctypes, os, sys
libc, folder = ctypes.CDLL(None, use_errno=True), os.fsencode(sys.argv[1])
os.mkdir(folder + b'/d'); open(folder + b'/d/secret', 'w').write('of the tree')
os.symlink(sys.argv[2], folder + b'/l')
print('ready', flush=True)
while True: libc.renameat2(-100, folder + b'/d', -100, folder + b'/l', 2)`;

    it.each(['absolute', 'relative'])('nothing outside is written or read through an %s link', async (kind) => {
      const target = kind === 'absolute' ? outside() : '../../outside';
      const swapper = spawn('python3', ['-c', swapping, at('data'), target], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        await once(swapper.stdout, 'data');
        const refused: string[] = [];
        for (let turn = 0; turn < 15; turn++) {
          const entries = Array.from({ length: 200 }, (_, i) => ({ name: `d/${turn}-${i}`, body: 'written' }));
          await intoData(...entries).catch((error: { code: string }) => refused.push(error.code));
          await collect(from('/data')).then(
            (archive) => expect(archive.includes('of the host')).toBe(false),
            (error: { code: string }) => refused.push(error.code),
          );
        }
        expect(new Set(refused)).toEqual(new Set(['WRONG_STATE']));
        expect(await readdir(outside())).toEqual(['secret']);
        expect(await readFile(outside('secret'), 'utf8')).toBe('of the host');
      } finally {
        swapper.kill('SIGKILL');
        await once(swapper, 'exit');
      }
    });
  });
});

async function* zeros(): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) yield Buffer.alloc(65536);
}
