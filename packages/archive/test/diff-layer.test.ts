import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diffLayer } from '@gantry/archive';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeTree, Overlay } from './overlay-changes.js';
import { collect, entryNames, expectError } from './reading.js';
import { isRoot, needsRoot, Sandbox } from './sandbox.js';
import { listTree, plantTree } from './tree-listing.js';

describe.skipIf(!isRoot)(`diffLayer (${needsRoot})`, { timeout: 120_000 }, () => {
  // The kernel is to judge, and it takes no overlay as upper folder, which the temporary folder may be on.
  const shared = '/dev/shm';
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(join(shared, 'gantry-diff-'));
    await mkdir(join(base, 'lower'));
    plantTree(join(base, 'lower'), 'long');
  });
  afterEach(() => rm(base, { recursive: true }));

  it.each([1, 2, 3, 4, 5])('stacked anew, the layer of changes %i gives the tree that was changed', async (seed) => {
    const lower = join(base, 'lower');
    using changed = await Overlay.mount(join(base, 'one'), [lower]);
    changeTree(changed.merged, seed, 60);
    const layer = await collect(diffLayer({ upper: changed.upper }));
    expect(layer.equals(await collect(diffLayer({ upper: changed.upper })))).toBe(true);

    const sandbox = await Sandbox.create(base);
    await sandbox.apply(layer);
    {
      using again = await Overlay.view(join(base, 'two'), [sandbox.target, lower]);
      expect(listTree(again.merged)).toEqual(listTree(changed.merged));
    }
    await sandbox.close();
  });

  it('says in OCI’s words what was removed and what was replaced', async () => {
    using mounted = await Overlay.mount(join(base, 'one'), [join(base, 'lower')]);
    const inside = (name: string) => join(mounted.merged, name);
    await rm(inside('big'));
    await rm(inside('dir1'), { recursive: true });
    await rm(inside('dir2'), { recursive: true });
    await mkdir(inside('dir2'));
    await writeFile(inside('dir2/new'), '');
    expect(await entryNames(diffLayer({ upper: mounted.upper }))).toEqual([
      './',
      '.wh.big',
      '.wh.dir1',
      'dir2/',
      'dir2/.wh..wh..opq',
      'dir2/new',
    ]);
  });

  it('with userxattr goes by the other marks', async () => {
    using mounted = await Overlay.mount(join(base, 'one'), [join(base, 'lower')], ',userxattr');
    await rm(join(mounted.merged, 'dir2'), { recursive: true });
    await mkdir(join(mounted.merged, 'dir2'));
    expect(await entryNames(diffLayer({ upper: mounted.upper, userXattr: true }))).toContain('dir2/.wh..wh..opq');
    expect(await entryNames(diffLayer({ upper: mounted.upper }))).not.toContain('dir2/.wh..wh..opq');
  });

  it('refuses a folder that was moved, and a file without its data', async () => {
    {
      using moved = await Overlay.mount(join(base, 'one'), [join(base, 'lower')], ',redirect_dir=on');
      execFileSync('mv', [join(moved.merged, 'dir1'), join(moved.merged, 'moved')]);
      expect(await readdir(join(moved.upper, 'moved'))).toEqual([]);
      await expectError(collect(diffLayer({ upper: moved.upper })), 'UNSUPPORTED', /"moved".*redirect_dir=off/);
    }
    using bare = await Overlay.mount(join(base, 'two'), [join(base, 'lower')], ',metacopy=on');
    execFileSync('chmod', ['600', join(bare.merged, 'big')]);
    await expectError(collect(diffLayer({ upper: bare.upper })), 'UNSUPPORTED', /"big".*metacopy=off/);
  });
});
