import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addon } from '@gantry/native';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const KiB = 1024;

describe('what trees take of a disk', { timeout: 60_000 }, () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-usage-'));
  });
  afterEach(() => execFileSync('rm', ['-rf', folder]));

  /** What du(1) says, in bytes. */
  const du = (...paths: string[]) =>
    Number(
      execFileSync('du', ['-sc', '-B1', ...paths], { encoding: 'utf8' })
        .trim()
        .split('\n')
        .at(-1)
        ?.split('\t')[0],
    );

  /** So many folders more, each in the one before. */
  const dig = (count: number) =>
    execFileSync('python3', [
      '-c',
      'import os, sys\nos.chdir(sys.argv[1])\nwhile os.path.isdir("d"): os.chdir("d")\nfor _ in range(int(sys.argv[2])): os.mkdir("d"); os.chdir("d")',
      folder,
      String(count),
    ]);

  it('is as du says: blocks, each file once, holes not at all, nothing behind links', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    mkdirSync(join(a, 'deeper'), { recursive: true });
    mkdirSync(b);
    writeFileSync(join(a, 'file'), Buffer.alloc(300 * KiB, 1));
    linkSync(join(a, 'file'), join(a, 'deeper', 'same'));
    linkSync(join(a, 'file'), join(b, 'same, in the other tree'));
    writeFileSync(join(b, 'hole'), 'x');
    truncateSync(join(b, 'hole'), 2 ** 40);
    symlinkSync('/usr', join(b, 'link'));
    const { bytes, entries } = await addon().treeUsage([a, b]);
    expect(bytes).toBe(du(a, b));
    expect(bytes).toBeLessThan(350 * KiB);
    expect(entries).toBe(6);
  });

  it('takes any name and any depth that a path can have, and refuses what is deeper', async () => {
    const name = Buffer.from([0x66, 0xff, 0x0a]);
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), 'x');
    dig(1500);
    expect((await addon().treeUsage([folder])).entries).toBe(1502);
    dig(600);
    await expect(addon().treeUsage([folder])).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
  });

  it('fails for what is no folder', async () => {
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(folder, join(folder, 'link'));
    await expect(addon().treeUsage([join(folder, 'none')])).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open' });
    await expect(addon().treeUsage([join(folder, 'file')])).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(addon().treeUsage([join(folder, 'link')])).rejects.toMatchObject({ code: 'ENOTDIR' });
    rmSync(join(folder, 'link'));
  });
});
