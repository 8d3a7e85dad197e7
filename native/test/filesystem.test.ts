import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon, packageFolder } from '../src/addon.js';
import type { RootDirectory } from '../src/filesystem.js';

const bytes = (text: string) => Buffer.from(text);

const plain = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1_000_000_000, mtimeNanoseconds: 5, xattrs: [] };

describe.skipIf(process.geteuid?.() !== 0)(
  'RootDirectory (needs root: owners and devices)',
  { timeout: 30_000 },
  () => {
    let folder: string;
    let root: RootDirectory;
    const path = (...parts: string[]) => join(folder, 'root', ...parts);

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'gantry-root-directory-'));
      await mkdir(path());
      await writeFile(join(folder, 'victim'), 'untouched');
      root = new (addon().RootDirectory)(path());
    });
    afterEach(async () => {
      root.close();
      expect(await readFile(join(folder, 'victim'), 'utf8')).toBe('untouched');
      await rm(folder, { recursive: true });
    });

    it('makes files with all their metadata, and says how many folders it made', async () => {
      expect(root.file(bytes('a/b/f'), bytes('body'), { ...plain, mode: 0o6755, uid: 12, gid: 34 })).toBe(2);
      expect(root.file(bytes('a/b/g'), bytes(''), plain)).toBe(0);
      const status = await lstat(path('a/b/f'), { bigint: true });
      expect([status.mode & 0o7777n, status.uid, status.gid, status.mtimeNs]).toEqual([
        0o6755n,
        12n,
        34n,
        1_000_000_000_000_000_005n,
      ]);
      expect(await readFile(path('a/b/f'), 'utf8')).toBe('body');
      expect((await lstat(path('a'))).mode & 0o7777).toBe(0o755);
    });

    it('sets owner and mode whatever the umask and the folder would make of them', async () => {
      root.folder(bytes('d'), { ...plain, mode: 0o2777, gid: 56 });
      const modes = [0, 0o111, 0o600, 0o644, 0o666, 0o777, 0o1777, 0o2755, 0o4711];
      const before = process.umask(0o077);
      try {
        for (const mode of modes) root.file(bytes(`d/${mode}`), bytes('x'), { ...plain, mode });
        root.symlink(bytes('d/l'), bytes('t'), plain);
        root.folder(bytes('d/e'), { ...plain, mode: 0o777 });
        root.fifo(bytes('d/p'), { ...plain, mode: 0o666 });
      } finally {
        process.umask(before);
      }
      for (const mode of modes) {
        const status = await lstat(path('d', String(mode)));
        expect([status.mode & 0o7777, status.uid, status.gid]).toEqual([mode, 0, 0]);
      }
      for (const [name, mode] of [
        ['l', 0o777],
        ['e', 0o777],
        ['p', 0o666],
      ] as const) {
        const status = await lstat(path('d', name));
        expect([status.mode & 0o7777, status.uid, status.gid]).toEqual([mode, 0, 0]);
      }
    });

    it('writes a file in pieces, with holes', async () => {
      root.beginFile(bytes('f'));
      root.writeFile(bytes('one'), 0);
      root.writeFile(bytes('two'), 10_000);
      root.endFile(20_000, plain);
      const content = await readFile(path('f'));
      expect([content.length, content.toString('latin1', 0, 3), content.toString('latin1', 10_000, 10_003)]).toEqual([
        20_000,
        'one',
        'two',
      ]);
      expect(() => root.writeFile(bytes('x'), 0)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    });

    it.each(['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/..', './a', '../victim', 'a\0b'])(
      'refuses the path %j with EINVAL',
      (name) => {
        const invalid = expect.objectContaining({ code: 'EINVAL' });
        expect(() => root.file(bytes(name), bytes('x'), plain)).toThrow(invalid);
        expect(() => root.symlink(bytes(name), bytes('t'), plain)).toThrow(invalid);
        expect(() => root.hardLink(bytes('ok'), bytes(name))).toThrow(invalid);
        expect(() => root.remove(bytes(name))).toThrow(invalid);
      },
    );

    it('resolves links on the way as if the root were /, and follows none at the end', async () => {
      await symlink('../..', path('up'));
      await symlink('/', path('top'));
      await symlink(join(folder, 'victim'), path('out'));
      root.file(bytes('up/victim'), bytes('inside'), plain);
      root.file(bytes('top/second'), bytes('inside'), plain);
      root.file(bytes('out'), bytes('inside'), plain);
      expect((await readdir(path())).sort()).toEqual(['out', 'second', 'top', 'up', 'victim']);
      expect((await lstat(path('out'))).isFile()).toBe(true);
    });

    it('replaces entries of any type, and merges folders', async () => {
      root.folder(bytes('x'), { ...plain, mode: 0o700 });
      root.file(bytes('x/in'), bytes('kept'), plain);
      root.folder(bytes('x'), { ...plain, mode: 0o711 });
      expect(await readFile(path('x/in'), 'utf8')).toBe('kept');
      expect((await lstat(path('x'))).mode & 0o777).toBe(0o711);
      root.symlink(bytes('x'), bytes('../victim'), plain);
      expect(await readlink(path('x'))).toBe('../victim');
      root.fifo(bytes('x'), plain);
      expect((await lstat(path('x'))).isFIFO()).toBe(true);
      root.device(bytes('x'), 'character', 1, 3, plain);
      expect((await lstat(path('x'))).rdev).toBe(0x103);
      root.folder(bytes('x'), plain);
      expect(await readdir(path('x'))).toEqual([]);
    });

    it('refuses to make a whiteout by the name of a device', () => {
      const refused = expect.objectContaining({ code: 'EINVAL' });
      expect(() => root.device(bytes('w'), 'character', 0, 0, plain)).toThrow(refused);
    });

    it('sets metadata of links and nodes on themselves', async () => {
      await writeFile(path('target'), 'x', { mode: 0o600 });
      root.symlink(bytes('l'), bytes('target'), { ...plain, uid: 5, mode: 0o777 });
      expect([(await lstat(path('l'))).uid, (await lstat(path('target'))).uid]).toEqual([5, 0]);
      expect((await lstat(path('target'))).mode & 0o777).toBe(0o600);
    });

    it('sets a folder’s time only where there is a folder', async () => {
      root.folder(bytes('d'), plain);
      root.file(bytes('f'), bytes(''), plain);
      await symlink('d', path('l'));
      const names = ['none', 'none/under', 'f/under', 'f', 'l', 'd'];
      root.folderTimes(bytes(names.join('\0')), Float64Array.from(names.flatMap(() => [7, 0])));
      expect((await lstat(path('d'))).mtimeMs).toBe(7000);
      expect((await lstat(path('f'))).mtimeMs).toBe(1_000_000_000_000);
    });

    it('sets each of many folders’ times, at any depth, and the last one of those that lead to the same', async () => {
      const deep = Array.from({ length: 40 }, (_, depth) => `${'d/'.repeat(depth)}d`);
      const wide = ['a', 'a/x', 'a/x/y', 'a/z', 'b', 'b/x', 'b/x/y', 'a/x/w'];
      const names = [...deep, ...wide, ...deep.map((name) => `${name}/e`).toReversed()];
      for (const name of names) root.folder(bytes(name), plain);
      await symlink('a', path('l'));
      const all = [...names, 'l/x'];
      root.folderTimes(bytes(all.join('\0')), Float64Array.from(all.flatMap((_, index) => [index + 1, 500_000_000])));
      const times = await Promise.all(all.map(async (name) => (await lstat(path(name))).mtimeMs));
      const expected = all.map((_, index) => (index + 1) * 1000 + 500);
      expected[names.indexOf('a/x')] = all.length * 1000 + 500;
      expect(times).toEqual(expected);
    });

    it('removes trees without following links', async () => {
      root.folder(bytes('d/e/f/g'), plain);
      await symlink('../../victim', path('d/l'));
      await symlink('..', path('d/e/up'));
      for (let i = 0; i < 300; i++) root.file(bytes(`d/e/f${i % 5}/g/${i}`), bytes(''), plain);
      root.remove(bytes('d'));
      expect(await readdir(path())).toEqual([]);
      expect(() => root.remove(bytes('d'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    });

    it('answers EBADF once closed, and TypeError where an argument is of the wrong type', () => {
      expect(() => root.folder('text' as unknown as Buffer, plain)).toThrow(TypeError);
      expect(() => root.folderTimes(bytes('d'), [7, 0] as unknown as Float64Array)).toThrow(TypeError);
      expect(() => root.file(bytes('f'), bytes(''), { ...plain, uid: '0' as unknown as number })).toThrow(TypeError);
      expect(() => root.file(bytes('f'), bytes(''), { ...plain, xattrs: [1] as unknown as [] })).toThrow(TypeError);
      const throwing = new Proxy(plain, {
        get() {
          throw new RangeError('from a getter');
        },
      });
      expect(() => root.folder(bytes('d'), throwing)).toThrow(RangeError);
      root.close();
      root.close();
      expect(() => root.folder(bytes('d'), plain)).toThrow(expect.objectContaining({ code: 'EBADF' }));
      expect(() => root.folder(bytes(''), plain)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    });

    it.each(["root.remove(Buffer.from('none such'))", "new RootDirectory('/').close()", "isOpaque(Buffer.from('/'))"])(
      'a worker thread can be ended within a call, and the process lives on: %s',
      async (call) => {
        const script = `
      const { Worker } = require('node:worker_threads');
      const code = \`
        const { parentPort, workerData } = require('node:worker_threads');
        const { RootDirectory, isOpaque } = require('node-gyp-build')(workerData);
        const root = new RootDirectory('/');
        parentPort.postMessage('ready');
        for (;;) try { ${call}; } catch {}\`;
      (async () => {
        for (let i = 0; i < 30; i++) {
          const worker = new Worker(code, { eval: true, workerData: process.argv[1] });
          await new Promise((resolve) => worker.once('message', resolve));
          await worker.terminate();
        }
        console.log('alive');
      })();`;
        const options = { cwd: packageFolder, timeout: 30_000 };
        const { stdout } = await promisify(execFile)(process.execPath, ['-e', script, packageFolder], options);
        expect(stdout).toBe('alive\n');
      },
    );

    it('of a shared tree removes nothing that holds something else', async () => {
      const shared = new (addon().RootDirectory)(path(), true);
      await mkdir(path('full/sub'), { recursive: true });
      await mkdir(path('empty'));
      await writeFile(path('f'), 'old');
      for (const make of [
        () => shared.file(bytes('full'), bytes(''), plain),
        () => shared.symlink(bytes('full'), bytes('t'), plain),
        () => shared.fifo(bytes('full'), plain),
      ]) {
        expect(make).toThrow(expect.objectContaining({ code: 'ENOTEMPTY' }));
      }
      shared.file(bytes('empty'), bytes('x'), plain);
      shared.folder(bytes('f'), plain);
      shared.folder(bytes('full'), plain);
      expect((await lstat(path('empty'))).isFile()).toBe(true);
      expect((await lstat(path('f'))).isDirectory()).toBe(true);
      expect(await readdir(path('full'))).toEqual(['sub']);
      shared.close();
    });

    it('opens neither a link nor a file', async () => {
      await symlink(path(), join(folder, 'link'));
      const { RootDirectory } = addon();
      expect(() => new RootDirectory(join(folder, 'link'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
      expect(() => new RootDirectory(join(folder, 'victim'))).toThrow(
        expect.objectContaining({ code: 'ENOTDIR', syscall: 'open', path: join(folder, 'victim') }),
      );
    });
  },
);
