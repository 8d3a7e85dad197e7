import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyLayer } from '@gantry/archive';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readTar } from '../src/read-tar.js';
import { digestOf, isRoot, needsRoot, plainType } from './sandbox.js';
import { listTree, plantTree, readWithPython } from './tree-listing.js';

const formats: readonly (readonly [format: string, names: 'long' | 'short', flags: readonly string[]])[] = [
  ['v7', 'short', []],
  ['oldgnu', 'long', ['--sparse']],
  ['gnu', 'long', ['--sparse']],
  ['ustar', 'short', []],
  ['posix', 'long', ['--xattrs', '--xattrs-include=*']],
  ['posix', 'long', ['--sparse', '--sparse-version=0.0']],
  ['posix', 'long', ['--sparse', '--sparse-version=0.1']],
  ['posix', 'long', ['--sparse', '--sparse-version=1.0', '--xattrs', '--xattrs-include=*']],
];

describe('the same as other readers', { timeout: 60_000 }, () => {
  let trees: string;
  let folder: string;
  beforeAll(async () => {
    trees = await mkdtemp(join(tmpdir(), 'gantry-trees-'));
    for (const names of ['long', 'short'] as const) {
      await mkdir(join(trees, names));
      plantTree(join(trees, names), names);
    }
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gantry-differential-'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  afterAll(() => rm(trees, { recursive: true }));

  function pack(format: string, names: 'long' | 'short', flags: readonly string[]): string {
    const archive = join(folder, 'archive.tar');
    // The oldest formats hold no FIFOs and devices, and no times before the epoch.
    const old = format === 'v7' ? ['--exclude=./null', '--exclude=./disk', '--exclude=./fifo'] : [];
    const times = format === 'v7' || format === 'ustar' ? ['--mtime=@1000000000'] : [];
    execFileSync('tar', [
      '-C',
      join(trees, names),
      `--format=${format}`,
      ...flags,
      ...old,
      ...times,
      '-cf',
      archive,
      '.',
    ]);
    return archive;
  }

  it.each(formats)('as Python reads %s archives (%s names, %j)', async (format, names, flags) => {
    const archive = pack(format, names, flags);
    const entries: unknown[][] = [];
    for await (const entry of readTar(createReadStream(archive, { highWaterMark: 10_007 }))) {
      const hash = createHash('sha256');
      for await (const piece of entry.body) hash.update(piece);
      const { type, mode, uid, gid, mtimeSeconds, size, devMajor, devMinor } = entry;
      const name = entry.name.toString('latin1').replace(/\/+$/, '');
      entries.push([name, type, mode, uid, gid, mtimeSeconds, size, hash.digest('hex'), [devMajor, devMinor]]);
    }
    expect(entries.length).toBeGreaterThan(60);
    expect(entries).toEqual(readWithPython(archive));
  });

  it.skipIf(!isRoot).each(formats)(`as GNU tar unpacks %s archives (%s names, %j; ${needsRoot})`, async (...format) => {
    const archive = pack(...format);
    const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')];
    await Promise.all([mkdir(ours), mkdir(theirs)]);
    const diffId = digestOf(await readFile(archive));
    await applyLayer({ blobPath: archive, mediaType: plainType, diffId, target: ours });
    const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--same-owner'];
    execFileSync('tar', ['-C', theirs, ...flags, '-xpf', archive]);
    const listed = listTree(ours);
    expect(Object.keys(listed).length).toBeGreaterThan(60);
    expect(listed).toEqual(listTree(theirs));
  });
});
