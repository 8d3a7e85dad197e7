import { execFileSync } from 'node:child_process';
import { access, lstat, mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { applyLayer } from '@gantry/archive';
import type { ErrorCode } from '@gantry/interface';
import { expect } from 'vitest';
import type { UnpackBudget } from '../src/budget.js';
import { archive, base256, endMark, entry, file, folder, gnuLong, hardlink, pax, symlink } from './archive-builder.js';
import { expectError } from './reading.js';
import { digestOf, gzipType, isWhiteout, opaqueFolders, plainType, type Sandbox, xattrsOf } from './sandbox.js';
import { storedFrame } from './zstd-frame.js';

/** One archive, and what is to become of it. */
export interface Attack {
  readonly bytes: Buffer;
  /** What the reader alone says; left out where it takes the archive. */
  readonly read?: ErrorCode;
  /** What unpacking says: a refusal, or a look at what is there then. */
  readonly apply: ErrorCode | ((sandbox: Sandbox) => Promise<void>);
  readonly budget?: Partial<UnpackBudget>;
}

/** One row: what the archive does, what is right, and archives that do it; or something to do that is no archive of a layer. */
export interface Row {
  readonly trigger: string;
  readonly right: string;
  readonly attacks?: readonly Attack[];
  readonly act?: (sandbox: Sandbox) => Promise<void>;
}

const refused = (bytes: Buffer): Attack => ({ bytes, apply: 'INVALID_ARCHIVE' });
const unreadable = (bytes: Buffer): Attack => ({ bytes, read: 'INVALID_ARCHIVE', apply: 'INVALID_ARCHIVE' });
const overBudget = (bytes: Buffer, budget?: Partial<UnpackBudget>): Attack => ({
  bytes,
  read: 'LIMIT_EXCEEDED',
  apply: 'LIMIT_EXCEEDED',
  ...(budget && { budget }),
});
const ends = (bytes: Buffer, apply: (sandbox: Sandbox) => Promise<void>): Attack => ({ bytes, apply });

const text = (sandbox: Sandbox, name: string) => readFile(sandbox.path(name), 'utf8');
const names = async (sandbox: Sandbox) => (await readdir(sandbox.target)).sort();
const device = (major: number | Buffer, minor: number | Buffer, type = '3') =>
  entry({ name: 'dev', type, device: [major, minor] });
const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** The table of attacks on unpacking, row by row. */
export const rows: readonly Row[] = [
  {
    trigger: 'F `../../x`, `/etc/x`, `a/../../x`',
    right: 'stays inside or is refused',
    attacks: [
      refused(archive(file('../victim'))),
      refused(archive(file('../../x'))),
      refused(archive(folder('a'), file('a/../../victim'))),
      ends(archive(file('/etc/x', 'in')), async (sandbox) => expect(await text(sandbox, 'etc/x')).toBe('in')),
    ],
  },
  {
    trigger: 'S l->/etc then F l/x; chains; `/dummy/../etc`',
    right: 'parent resolved in the root',
    attacks: [
      ends(archive(folder('etc'), symlink('l', '/etc'), file('l/x', 'in')), async (sandbox) =>
        expect(await text(sandbox, 'etc/x')).toBe('in'),
      ),
      ends(archive(symlink('l', '../../..'), file('l/victim', 'in')), async (sandbox) =>
        expect(await text(sandbox, 'victim')).toBe('in'),
      ),
      ends(archive(folder('c'), symlink('a', 'b'), symlink('b', '/c'), file('a/x', 'in')), async (sandbox) =>
        expect(await text(sandbox, 'c/x')).toBe('in'),
      ),
      ends(archive(folder('etc'), folder('dummy'), symlink('l', '/dummy/../etc'), file('l/x', 'in')), async (sandbox) =>
        expect(await text(sandbox, 'etc/x')).toBe('in'),
      ),
      refused(archive(symlink('l', '/proc/self/root'), file('l/x'))),
    ],
  },
  {
    trigger: 'S f->../../out then F f',
    right: 'the link is replaced, never written through',
    attacks: [
      ends(archive(symlink('f', '../victim'), file('f', 'mine')), async (sandbox) => {
        expect((await lstat(sandbox.path('f'))).isFile()).toBe(true);
        expect(await text(sandbox, 'f')).toBe('mine');
      }),
    ],
  },
  {
    trigger: 'D foo, F foo/t, S foo->/, F foo/t (CVE-2025-47290, CVE-2021-37701)',
    right: 'resolved again for each entry',
    attacks: [
      ends(archive(folder('foo'), file('foo/t', '1'), symlink('foo', '/'), file('foo/t', '2')), async (sandbox) => {
        expect([await readlink(sandbox.path('foo')), await text(sandbox, 't')]).toEqual(['/', '2']);
      }),
    ],
  },
  {
    trigger: 'root entry as link: S `/.`->/, S ``->/etc, S `..` (CVE-2021-29136)',
    right: 'the root is only ever a folder',
    attacks: [
      refused(archive(symlink('/.', '/'))),
      refused(archive(symlink('./', '/etc'))),
      unreadable(archive(symlink('', '/etc'))),
      refused(archive(symlink('..', '/'))),
      refused(archive(file('f'), hardlink('.', 'f'))),
    ],
  },
  {
    trigger: 'H p->/etc/passwd, H p->../../.. (CVE-2026-23745)',
    right: 'looked for in the layer, and not followed',
    attacks: [
      refused(archive(hardlink('p', '/etc/passwd'))),
      refused(archive(hardlink('p', '../../..'))),
      refused(archive(hardlink('p', '../victim'))),
      refused(archive(symlink('l', '..'), hardlink('p', 'l/victim'))),
    ],
  },
  {
    trigger: 'S ep->/outside, H k->ep with mode bits (CVE-2021-32760)',
    right: 'nothing is set through a link',
    attacks: [
      ends(
        archive(
          entry({ name: 'ep', type: '2', linkName: '../victim', mode: 0o4777, uid: 12, mtime: 1 }),
          entry({ name: 'k', type: '1', linkName: 'ep', mode: 0o6777, uid: 13, mtime: 2 }),
        ),
        async (sandbox) => {
          const [ep, k] = await Promise.all([lstat(sandbox.path('ep')), lstat(sandbox.path('k'))]);
          expect([k.isSymbolicLink(), k.ino === ep.ino, ep.uid]).toEqual([true, true, 12]);
        },
      ),
    ],
  },
  {
    trigger: 'H before its target; H with size > 0',
    right: 'an error',
    attacks: [
      refused(archive(hardlink('a', 'b'), file('b'))),
      unreadable(archive(file('b'), entry({ name: 'a', type: '1', linkName: 'b', body: file('smuggled') }))),
    ],
  },
  {
    trigger: 'whiteouts `.wh..`, `.wh...`, `etc/.wh..`, bare `.wh.`',
    right: 'an invalid archive',
    attacks: ['.wh..', '.wh...', 'etc/.wh..', '.wh.', '.wh..wh.x'].map((name) => refused(archive(file(name, '')))),
  },
  {
    trigger: 'whiteout or opaque through a symlinked parent',
    right: 'resolved in the root; a lone `.wh.l` hides the link only',
    attacks: [
      ends(
        archive(folder('real'), symlink('l', '/real'), file('l/.wh.x', ''), file('l/.wh..wh..opq', '')),
        async (sandbox) => {
          expect(await isWhiteout(sandbox.path('real/x'))).toBe(true);
          expect(opaqueFolders(sandbox.target)).toEqual(['real']);
          expect(await readlink(sandbox.path('l'))).toBe('/real');
        },
      ),
      ends(archive(file('.wh.l', '')), async (sandbox) => expect(await isWhiteout(sandbox.path('l'))).toBe(true)),
    ],
  },
  {
    trigger: '`a/b` then `a/.wh..wh..opq`',
    right: 'entries of the same layer survive in any order',
    attacks: [
      ends(archive(file('a/b', '1'), file('a/.wh..wh..opq', ''), file('a/c', '2')), async (sandbox) => {
        expect([await text(sandbox, 'a/b'), await text(sandbox, 'a/c')]).toEqual(['1', '2']);
        expect(opaqueFolders(sandbox.target)).toEqual(['a']);
      }),
    ],
  },
  {
    trigger: 'PAX `trusted.overlay.*`, `user.overlay.*` attributes',
    right: 'stripped',
    attacks: [
      ends(
        archive(
          pax([
            ['SCHILY.xattr.trusted.overlay.redirect', '/etc'],
            ['SCHILY.xattr.user.overlay.opaque', 'y'],
            ['SCHILY.xattr.trusted.other', 'kept'],
          ]),
          folder('d'),
        ),
        async (sandbox) => expect([...(xattrsOf(sandbox.target).get('d')?.keys() ?? [])]).toEqual(['trusted.other']),
      ),
    ],
  },
  {
    trigger: 'char 0:0 in a layer',
    right: 'refused: it is an overlay whiteout',
    attacks: [refused(archive(device(0, 0)))],
  },
  {
    trigger: 'device major or minor out of range; block devices',
    right: 'checked',
    attacks: [
      refused(archive(device(4096, 0))),
      refused(archive(device(1, base256(1n << 20n, 8)))),
      refused(archive(device(base256(-1n, 8), 1, '4'))),
      ends(archive(device(259, 7, '4')), async (sandbox) =>
        expect((await lstat(sandbox.path('dev'))).isBlockDevice()).toBe(true),
      ),
    ],
  },
  {
    trigger: 'mode 04755; binary file capabilities',
    right: 'both survive the change of owner, to the byte',
    attacks: [
      ends(
        archive(
          entry({ name: 'su', body: 'x', mode: 0o4755, uid: 1000 }),
          pax([['SCHILY.xattr.security.capability', capability]]),
          entry({ name: 'ping', body: 'x', mode: 0o755, uid: 1000 }),
        ),
        async (sandbox) => {
          expect((await lstat(sandbox.path('su'))).mode & 0o7777).toBe(0o4755);
          const found = xattrsOf(sandbox.target).get('ping')?.get('security.capability');
          expect(found).toBe(capability.toString('hex'));
        },
      ),
    ],
  },
  {
    trigger: 'same name twice; names `a\\xff`, `a\\xfe`',
    right: 'the last wins; names stay bytes',
    attacks: [
      ends(archive(file('x', '1'), folder('x'), file('x/y'), file('x', '2')), async (sandbox) =>
        expect(await text(sandbox, 'x')).toBe('2'),
      ),
      ends(archive(file(Buffer.from('a\xff', 'latin1')), file(Buffer.from('a\xfe', 'latin1'))), async (sandbox) => {
        const found = await readdir(sandbox.target, { encoding: 'latin1' });
        expect(found.sort()).toEqual(['a\xfe', 'a\xff']);
      }),
    ],
  },
  {
    trigger: 'PAX or long-name header of 400 MB',
    right: 'refused at its header',
    attacks: ['x', 'g', 'L', 'K'].map((type) =>
      overBudget(entry({ name: 'long', type, size: 400_000_000 }).subarray(0, 512)),
    ),
  },
  {
    trigger: 'GNU and PAX sparse, realsize 2^60 (CVE-2025-58183)',
    right: 'expanded within the budget, or refused',
    attacks: [
      unreadable(sparse('2', 2n ** 60n)),
      overBudget(sparse('0\n', 2n ** 50n)),
      overBudget(sparse(`${'9'.repeat(8)}\n${'1\n'.repeat(600_000)}`, 2n ** 30n)),
      ends(sparse('1\n0\n0\n', 2n ** 30n), async (sandbox) => {
        const status = await stat(sandbox.path('s'));
        expect([status.size, status.blocks < 100]).toEqual([2 ** 30, true]);
      }),
    ],
  },
  {
    trigger: 'size negative, base-256, `99999999999`, PAX size=-512',
    right: 'an error',
    attacks: [
      unreadable(archive(entry({ name: 'f', size: base256(-512n, 12) }))),
      unreadable(archive(entry({ name: 'f', size: Buffer.from('-0000000001\0') }))),
      unreadable(archive(entry({ name: 'f', size: base256(2n ** 60n, 12) }))),
      unreadable(archive(entry({ name: 'f', size: Buffer.from('99999999999\0') }))),
      unreadable(archive(pax([['size', '-512']]), file('f'))),
    ],
  },
  {
    trigger: 'directory with size > 0; symlink with size > 0',
    right: 'refused: never a hang, never smuggled entries',
    attacks: ['5', '2', '3', '6'].map((type) =>
      unreadable(archive(entry({ name: 'e', linkName: 't', type, body: file('smuggled') }), file('after'))),
    ),
  },
  {
    trigger: 'entries after the end mark; one lone zero block',
    right: 'the end mark ends it; both digests are verified',
    attacks: [
      ends(Buffer.concat([file('a'), endMark, file('b')]), async (sandbox) =>
        expect(await names(sandbox)).toEqual(['a']),
      ),
      ends(Buffer.concat([file('a'), Buffer.alloc(512), file('b')]), async (sandbox) =>
        expect(await names(sandbox)).toEqual(['a']),
      ),
    ],
  },
  {
    trigger: 'PAX size, then GNU L, then F; `path=` empty; NUL in a path; global path',
    right: 'overrides are for real entries; NUL and empty are refused',
    attacks: [
      ends(archive(pax([['size', '7']]), gnuLong('L', 'long'), file('f', 'content'), file('g')), async (sandbox) =>
        expect([await names(sandbox), await text(sandbox, 'long')]).toEqual([['g', 'long'], 'content']),
      ),
      unreadable(archive(pax([['path', '']]), file('f'))),
      unreadable(archive(pax([['path', 'a\0b']]), file('f'))),
      unreadable(archive(gnuLong('L', 'a\0b'), file('f'))),
      unreadable(archive(pax([['path', 'x']], 'g'), file('f'))),
    ],
  },
  {
    trigger: 'cut in a body; cut at a header',
    right: 'an error by itself or by the digest',
    attacks: [unreadable(archive(file('a', 'x'.repeat(1000))).subarray(0, 700))],
    act: async (sandbox) => {
      const whole = archive(file('a'), file('b'));
      await expectError(sandbox.apply(whole.subarray(0, 1024), { diffId: digestOf(whole) }), 'DIGEST_MISMATCH');
    },
  },
  {
    trigger: 'bombs',
    right: 'budgets of bytes, entries and ratio',
    attacks: [
      overBudget(archive(file('a', Buffer.alloc(100_000))), { bytes: 50_000 }),
      overBudget(archive(...Array.from({ length: 20 }, (_, i) => file(`f${i}`))), { entries: 19 }),
      overBudget(entry({ name: 'f', size: base256(2n ** 45n, 12) }).subarray(0, 512)),
    ],
    act: async (sandbox) => {
      const zeros = archive(file('zeros', Buffer.alloc(20_000_000)));
      const blobPath = await sandbox.put('blob', gzipSync(zeros, { level: 9 }));
      const { target } = sandbox;
      const options = { blobPath, mediaType: gzipType, diffId: digestOf(zeros), target, budget: { ratio: 500 } };
      await expectError(applyLayer(options), 'LIMIT_EXCEEDED', /budget\.ratio/);
    },
  },
  {
    trigger: 'zstd windowLog 31, many frames, skippable frames',
    right: 'a window of at most 2^27, all frames',
    act: async (sandbox) => {
      const bytes = archive(file('a'));
      const half = bytes.length / 2;
      const frames = [bytes.subarray(0, half), bytes.subarray(half)].flatMap((part) => [
        Buffer.from('502a4d180400000000000000', 'hex'),
        storedFrame(part, 10),
      ]);
      const apply = async (blob: Buffer) =>
        applyLayer({
          blobPath: await sandbox.put('blob', blob),
          mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
          diffId: digestOf(bytes),
          target: sandbox.target,
        });
      await expectError(apply(storedFrame(bytes, 31)), 'INVALID_ARCHIVE', /window/i);
      await expectError(apply(storedFrame(bytes, 28)), 'INVALID_ARCHIVE', /window/i);
      await apply(Buffer.concat(frames));
      expect(await names(sandbox)).toEqual(['a']);
    },
  },
  {
    trigger: 'decompressor from PATH inside the container root (CVE-2014-9357)',
    right: 'no program is started',
    act: async (sandbox) => {
      const bytes = archive(file('a'));
      const folder = await mkdtemp(join(tmpdir(), 'gantry-path-'));
      const script = ['#!/bin/sh', `echo ran >> ${folder}/ran`, 'exec cat', ''].join('\n');
      for (const name of ['gzip', 'gunzip', 'unpigz', 'igzip', 'zstd', 'xz', 'tar']) {
        await sandbox.put(`target-${name}`, Buffer.from(script));
        execFileSync('install', ['-m', '755', `${sandbox.target}-${name}`, join(folder, name)]);
      }
      const path = process.env['PATH'];
      process.env['PATH'] = `${folder}:${path}`;
      try {
        const blobPath = await sandbox.put('blob', gzipSync(bytes));
        await applyLayer({ blobPath, mediaType: gzipType, diffId: digestOf(bytes), target: sandbox.target });
      } finally {
        process.env['PATH'] = path;
      }
      await expect(access(join(folder, 'ran'))).rejects.toThrow();
      await rm(folder, { recursive: true });
    },
  },
  {
    trigger: 'layer that is no tar (CVE-2021-20291)',
    right: 'an error, and no waiting for ever',
    attacks: [
      unreadable(Buffer.alloc(10_000, 'not a tar archive ')),
      unreadable(Buffer.from('short')),
      ends(Buffer.alloc(0), async (sandbox) => expect(await names(sandbox)).toEqual([])),
    ],
  },
  {
    trigger: '10^5-deep path; 10^7 empty files',
    right: 'depth 1024, name 255, count of entries',
    attacks: [
      refused(archive(pax([['path', `${'a/'.repeat(100_000)}f`]]), file('f'))),
      refused(archive(pax([['path', `${'a/'.repeat(1024)}f`]]), file('f'))),
      refused(archive(pax([['path', 'n'.repeat(256)]]), file('f'))),
      // Missing folders are entries, too, which the reader alone does not make.
      {
        bytes: archive(pax([['path', `${'a/'.repeat(50)}f`]]), file('f')),
        apply: 'LIMIT_EXCEEDED',
        budget: { entries: 50 },
      },
      overBudget(archive(...Array.from({ length: 200 }, (_, i) => file(`f${i}`, ''))), { entries: 199 }),
    ],
  },
  {
    trigger: 'uid 2^32-1',
    right: 'refused',
    attacks: [2n ** 32n - 1n, 2n ** 32n, -1n].flatMap((id) => [
      unreadable(archive(entry({ name: 'f', uid: base256(id, 8) }))),
      unreadable(archive(entry({ name: 'f', gid: base256(id, 8) }))),
    ]),
  },
  {
    trigger: 'a FIFO where a file is read',
    right: 'refused without waiting',
    attacks: [
      ends(archive(entry({ name: 'p', type: '6' }), file('p', 'file')), async (sandbox) =>
        expect(await text(sandbox, 'p')).toBe('file'),
      ),
    ],
    act: async (sandbox) => {
      const blobPath = await sandbox.put('blob-fifo', Buffer.alloc(0));
      execFileSync('sh', ['-c', 'rm "$0" && mkfifo "$0"', blobPath]);
      const options = { blobPath, mediaType: plainType, diffId: digestOf(Buffer.alloc(0)), target: sandbox.target };
      await expectError(applyLayer(options), 'INVALID_ARGUMENT', /regular/);
    },
  },
];

/** A file of GNU's sparse format 1.0 with that map. */
function sparse(map: string, realSize: bigint): Buffer {
  const body = Buffer.from(map);
  const header = pax([
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.name', 's'],
    ['GNU.sparse.realsize', String(realSize)],
  ]);
  return archive(
    header,
    entry({ name: 'x', body: Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]) }),
  );
}
