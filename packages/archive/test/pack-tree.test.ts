import { execFileSync } from 'node:child_process';
import { link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { packTree } from '@gantry/archive';
import { addon } from '@gantry/native';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTar } from '../src/read-tar.js';
import { collect, entryNames, expectError } from './reading.js';
import { isRoot, needsRoot, Sandbox } from './sandbox.js';
import { listTree, plantTree } from './tree-listing.js';

let folder: string;
const at = (...parts: string[]) => join(folder, ...parts);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-pack-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe.skipIf(process.platform !== 'linux')('packTree (needs Linux)', { timeout: 60_000 }, () => {
  it('gives names in the order of their bytes, folders before what is in them', async () => {
    await mkdir(at('b', 'x'), { recursive: true });
    for (const name of ['b/z', 'b.c', 'a', 'b/x/y']) await writeFile(at(name), name);
    await link(at('a'), at('b', 'a'));
    await symlink('/etc/passwd', at('l'));
    expect(await entryNames(packTree(folder))).toEqual([
      './',
      'a',
      'b/',
      'b/a = a',
      'b/x/',
      'b/x/y',
      'b/z',
      'b.c',
      'l',
    ]);
  });

  it('gives the same bytes for the same tree', async () => {
    plantTree(folder, 'long');
    const options = { mtime: 1_700_000_000 };
    const first = await collect(packTree(folder, options));
    const copy = `${folder}-copy`;
    execFileSync('cp', ['-a', folder, copy]);
    try {
      expect((await collect(packTree(copy, options))).equals(first)).toBe(true);
    } finally {
      await rm(copy, { recursive: true });
    }
  });

  it('leaves sockets out, and does not wait for a FIFO', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at('socket'), resolve));
    execFileSync('mkfifo', [at('fifo')]);
    expect(await entryNames(packTree(folder))).toEqual(['./', 'fifo']);
    await new Promise((resolve) => server.close(resolve));
  });

  it('stores a large hole as one, and a small one as zeros', async () => {
    await writeFile(at('large'), 'start');
    await truncate(at('large'), 2 ** 40);
    await writeFile(at('small'), 'start');
    await truncate(at('small'), 100_000);
    const archive = await collect(packTree(folder));
    expect(archive.length).toBeLessThan(200_000);
    const sizes: unknown[] = [];
    for await (const { name, size } of readTar(packTree(folder), { budget: { bytes: 2 ** 41 } })) {
      sizes.push([name.toString(), size]);
    }
    expect(sizes).toEqual([
      ['./', 0],
      ['large', 2 ** 40],
      ['small', 100_000],
    ]);
  });

  it('refuses names that a layer takes for whiteouts, and says where', async () => {
    await mkdir(at('a'));
    await writeFile(at('a', '.wh.b'), '');
    await expectError(collect(packTree(folder)), 'UNSUPPORTED', /"a\/\.wh\.b"/);
  });

  it('refuses what an applier would: paths that are too long or too deep', async () => {
    execFileSync('python3', [
      '-c',
      'import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(20):\n  os.mkdir("n" * 250); os.chdir("n" * 250)',
      folder,
    ]);
    await expectError(collect(packTree(folder)), 'LIMIT_EXCEEDED');
    execFileSync('rm', ['-rf', at('n'.repeat(250))]);
    await mkdir(at('d/'.repeat(1023)), { recursive: true });
    expect(await entryNames(packTree(folder))).toHaveLength(1024);
    await mkdir(at('d/'.repeat(1025)), { recursive: true });
    await expectError(collect(packTree(folder)), 'LIMIT_EXCEEDED');
  });

  it('a folder that is a link, or none, is an error', async () => {
    await symlink(folder, at('self'));
    await expectError(collect(packTree(at('self'))), 'SYSTEM');
    await expectError(collect(packTree(at('none'))), 'SYSTEM', /ENOENT/);
    await writeFile(at('file'), '');
    await expectError(collect(packTree(at('file'))), 'SYSTEM', /ENOTDIR/);
  });

  it('stops when aborted, before or in the middle, and when its reader does', async () => {
    for (let i = 0; i < 20; i++) await writeFile(at(String(i)), Buffer.alloc(400_000, i));
    await expectError(collect(packTree(folder, { signal: AbortSignal.abort() })), 'ABORTED');
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    const reading = (async () => {
      for await (const piece of packTree(folder, { signal: controller.signal })) {
        expect(piece.length).toBeGreaterThan(0);
        controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
    for await (const piece of packTree(folder)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
  });

  it('does not run ahead of its reader, and says so when a file becomes shorter meanwhile', async () => {
    await writeFile(at('long'), Buffer.alloc(64 * 2 ** 20, 'x'));
    const reading = (async () => {
      let count = 0;
      for await (const piece of packTree(folder)) {
        expect(piece.length).toBeGreaterThan(0);
        if (count++ > 0) continue;
        // However long this takes, the file is not read to its end: only a fault needs the time to show itself.
        await setTimeout(300);
        await truncate(at('long'), 1000);
      }
    })();
    await expectError(reading, 'WRONG_STATE', /"long".*shorter/);
  });

  it('does not hold the event loop', async () => {
    for (let i = 0; i < 40; i++) await writeFile(at(String(i)), Buffer.alloc(1_000_000, i));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    let longest = 0;
    for await (const piece of packTree(folder)) {
      if (longest === 0) delay.enable();
      longest = Math.max(longest, piece.length);
    }
    delay.disable();
    expect(longest).toBeLessThanOrEqual(256 * 1024);
    // One wait in ten may be longer: the machine may have other things to do.
    expect(delay.percentile(90) / 1e6).toBeLessThan(10);
  });
});

describe.skipIf(process.platform !== 'linux')('TreeReader (needs Linux)', () => {
  it('follows no link, and leads nowhere else', async () => {
    await mkdir(at('d'));
    await writeFile(at('d', 'f'), 'inside');
    await symlink('d', at('l'));
    await symlink('/etc', at('etc'));
    const reader = new (addon().TreeReader)(folder);
    const open = (path: string) => () => reader.open(Buffer.from(path));
    expect(open('d/f')()).toMatchObject({ type: 'file', size: 6 });
    expect(open('etc')()).toMatchObject({ type: 'symlink' });
    for (const path of ['l/f', 'etc/passwd']) expect(open(path)).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    for (const path of ['..', 'd/../d', '/etc', 'd//f', './d', 'd/\0']) {
      expect(open(path)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
    expect(() => reader.list(Buffer.from('l'))).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/ELOOP|ENOTDIR/) }),
    );
    reader.close();
    reader.close();
    expect(open('d/f')).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => reader.open('d' as never)).toThrow(TypeError);
  });
});

describe.skipIf(!isRoot)(`packing and unpacking (${needsRoot})`, { timeout: 120_000 }, () => {
  let sandbox: Sandbox;
  beforeEach(async () => {
    sandbox = await Sandbox.create();
  });
  afterEach(() => sandbox.close());

  it('a tree with everything in it comes out as it was', async () => {
    plantTree(folder, 'long');
    await sandbox.apply(await collect(packTree(folder)));
    const listed = listTree(folder);
    expect(Object.keys(listed).length).toBeGreaterThan(60);
    expect(listTree(sandbox.target)).toEqual(listed);
  });

  it('a tree with everything in it is what GNU tar unpacks', async () => {
    plantTree(folder, 'long');
    const archive = await collect(packTree(folder));
    const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--same-owner', '-xpf', '-'];
    execFileSync('tar', ['-C', sandbox.target, ...flags], { input: archive });
    expect(listTree(sandbox.target)).toEqual(listTree(folder));
  });

  it('a whiteout of overlayfs is no part of a plain tree', async () => {
    execFileSync('mknod', [at('w'), 'c', '0', '0']);
    await expectError(collect(packTree(folder)), 'UNSUPPORTED', /0:0/);
  });

  it('attributes that are overlayfs’s own, or SELinux’s, are left out', async () => {
    await mkdir(at('d'));
    for (const name of ['trusted.overlay.opaque', 'trusted.overlay.origin', 'security.selinux', 'trusted.kept'])
      setXattr(at('d'), name, 'y');
    const found: string[] = [];
    for await (const { xattrs } of readTar(packTree(folder))) found.push(...xattrs.map(({ name }) => name.toString()));
    expect(found).toEqual(['trusted.kept']);
  });
});

function setXattr(path: string, name: string, value: string): void {
  const script = 'import os, sys\nos.setxattr(sys.argv[1], sys.argv[2], os.fsencode(sys.argv[3]))';
  execFileSync('python3', ['-c', script, path, name, value]);
}
