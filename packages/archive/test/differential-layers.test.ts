import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { applyLayer, diffLayer, packTree } from '@gantry/archive';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeTree, Overlay } from './overlay-changes.js';
import { collect } from './reading.js';
import { digestOf, gzipType, isRoot, needsRoot, Sandbox } from './sandbox.js';
import { listTree, plantTree } from './tree-listing.js';
import { hasUmoci, unpackWithUmoci } from './umoci.js';

const seeds = [1, 2];

/** A different tree for each seed, packed by others and by us, unpacked by us and by others. */
describe.skipIf(!isRoot)(`trees of any kind (${needsRoot})`, { timeout: 300_000 }, () => {
  let folder: string;
  let tree: string;
  beforeEach(async () => {
    // Not the temporary folder, which may be on an overlay: the kernel takes none as upper folder of another.
    folder = await mkdtemp('/dev/shm/gantry-layers-');
    tree = join(folder, 'tree');
    await mkdir(tree);
    plantTree(tree, 'long');
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Unpacks a blob and returns what is there then. */
  async function unpacked(archive: Buffer, blob: Buffer, mediaType = gzipType): Promise<Record<string, unknown[]>> {
    const sandbox = await Sandbox.create(folder);
    const blobPath = await sandbox.put('blob', blob);
    await applyLayer({ blobPath, mediaType, diffId: digestOf(archive), target: sandbox.target });
    const listed = listTree(sandbox.target);
    await sandbox.close();
    return listed;
  }

  it.each(seeds)('that GNU tar packs, in two members of gzip: tree %i', async (seed) => {
    changeTree(tree, seed, 80);
    const flags = ['--format=posix', '--sparse', '--xattrs', '--xattrs-include=*', '--numeric-owner'];
    const archive = execFileSync('tar', ['-C', tree, ...flags, '-cf', '-', '.'], { maxBuffer: 2 ** 28, stdio: 'pipe' });
    const half = archive.length >> 1;
    const blob = Buffer.concat([archive.subarray(0, half), archive.subarray(half)].map((part) => gzipSync(part)));
    expect(await unpacked(archive, blob)).toEqual(listTree(tree));
  });

  it.each(seeds)('that Python packs and GNU tar unpacks: tree %i', async (seed) => {
    changeTree(tree, seed, 80);
    const script =
      'import sys, tarfile\n' +
      'with tarfile.open(sys.argv[2], "w", format=tarfile.PAX_FORMAT) as archive: archive.add(sys.argv[1], ".")';
    const path = join(folder, 'python.tar');
    execFileSync('python3', ['-c', script, tree, path]);
    const theirs = join(folder, 'theirs');
    await mkdir(theirs);
    execFileSync('tar', ['-C', theirs, '--numeric-owner', '-xpf', path], { stdio: 'pipe' });
    const archive = execFileSync('cat', [path], { maxBuffer: 2 ** 29 });
    expect(await unpacked(archive, gzipSync(archive, { level: 1 }))).toEqual(listTree(theirs));
  });

  it.skipIf(!hasUmoci).each(seeds)('that umoci unpacks (needs umoci): tree %i, and its changes', async (seed) => {
    const layers = [await collect(packTree(tree))];
    using changed = await Overlay.mount(join(folder, 'overlay'), [tree]);
    changeTree(changed.merged, seed, 60);
    layers.push(await collect(diffLayer({ upper: changed.upper })));
    const theirs = listTree(await unpackWithUmoci(folder, layers));
    expect(withoutEscapes(theirs)).toEqual(withoutEscapes(listTree(changed.merged)));
  });
});

/** Go knows none of the escapes that a name of an attribute with `=` needs in PAX. */
function withoutEscapes(listed: Record<string, unknown[]>): unknown {
  return JSON.parse(JSON.stringify(listed).replaceAll('trusted.a=b', 'trusted.a%3Db'));
}
