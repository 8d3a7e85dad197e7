import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type StoreFolders, storeFolders } from '../src/folders.js';
import { CollectorNotices } from '../src/garbage/collector-notices.js';
import { Holds } from '../src/garbage/holds.js';
import { Retirement } from '../src/garbage/retirement.js';
import { ownedName } from '../src/owned-name.js';

let folders: StoreFolders;

beforeEach(async () => {
  folders = storeFolders(await mkdtemp(join(tmpdir(), 'gantry-store-')));
});

afterEach(async () => {
  await rm(folders.root, { recursive: true });
});

const digest = `sha256:${'a'.repeat(64)}` as const;

/** The name that a process which has just ended would have given something of its own. */
async function nameOfTheDead(): Promise<string> {
  const child = spawn(process.execPath, ['-e', '']);
  const pid = child.pid;
  await once(child, 'exit');
  return (await ownedName()).replace(`-${process.pid}-`, `-${pid}-`);
}

describe('a hold', () => {
  it('is seen by a collector as soon as it is taken, and not any more once it is released', async () => {
    const holds = new Holds(folders, new CollectorNotices(folders));
    const hold = await holds.take({ references: ['a/b:c'], blobs: [digest] }, 'test');
    await hold.cover({ layers: [digest] });
    expect(await holds.read()).toEqual({
      references: new Set(['a/b:c']),
      blobs: new Set([digest]),
      layers: new Set([digest]),
    });
    await hold.release();
    expect(await holds.read()).toEqual({ references: new Set(), blobs: new Set(), layers: new Set() });
  });

  it('waits for a collector that is at it, and is seen by the next meanwhile', async () => {
    const notices = new CollectorNotices(folders);
    const holds = new Holds(folders, notices);
    const notice = await notices.post();
    let isTaken = false;
    const taking = holds.take({ blobs: [digest] }, 'test').then((hold) => {
      isTaken = true;
      return hold;
    });
    // The hold is written down before it waits.
    while (!(await holds.read()).blobs.has(digest)) expect(isTaken).toBe(false);
    expect(isTaken).toBe(false);
    // One that comes later does not delay it.
    const later = await notices.post();
    expect(isTaken).toBe(false);
    await notice.withdraw();
    await taking;
    expect(later.stands()).toBe(true);
  });

  it('does not wait for a collector that has died', async () => {
    await mkdir(folders.collectors);
    await writeFile(join(folders.collectors, await nameOfTheDead()), '');
    await new Holds(folders, new CollectorNotices(folders)).take({ blobs: [digest] }, 'test');
    expect(await readdir(folders.collectors)).toEqual([]);
  });

  it('of a process that has died is none', async () => {
    await mkdir(folders.holds);
    await writeFile(join(folders.holds, await nameOfTheDead()), `blob ${digest}\n`);
    const holds = new Holds(folders, new CollectorNotices(folders));
    expect((await holds.read()).blobs).toEqual(new Set());
    expect(await readdir(folders.holds)).toEqual([]);
  });

  it('revokes the notice of a collector that does not come to an end', async () => {
    const notice = await new CollectorNotices(folders).post();
    await new Holds(folders, new CollectorNotices(folders, 50)).take({ blobs: [digest] }, 'test');
    expect(notice.stands()).toBe(false);
  });

  it('is given up with the signal, and leaves nothing', async () => {
    const notices = new CollectorNotices(folders);
    await notices.post();
    const taking = new Holds(folders, notices).take({ blobs: [digest] }, 'test', AbortSignal.timeout(20));
    await expect(taking).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await readdir(folders.holds)).toEqual([]);
  });
});

describe('a collector', () => {
  it('moves nothing once its notice is revoked', async () => {
    const notice = await new CollectorNotices(folders).post();
    const [path, aside] = [join(folders.root, 'blob'), join(folders.root, 'aside')];
    await writeFile(path, 'x');
    const retirement = new Retirement(notice);
    await notice.withdraw();
    expect(retirement.goesOn()).toBe(false);
    expect(await retirement.move(path, aside, 'file')).toBe(false);
    expect(await readFile(path, 'utf8')).toBe('x');
  });

  it.each(['file', 'folder'] as const)('puts back a %s if its notice is revoked while it moves it', async (kind) => {
    const [path, aside] = [join(folders.root, 'place'), join(folders.root, 'aside')];
    if (kind === 'file') await writeFile(path, 'x');
    else await mkdir(join(path, 'inside'), { recursive: true });
    const answers = [true, false];
    const retirement = new Retirement({ stands: () => answers.shift() ?? false, withdraw: async () => undefined });
    expect(await retirement.move(path, aside, kind)).toBe(false);
    expect(await readdir(folders.root)).toEqual(['place']);
    if (kind === 'folder') expect(await readdir(path)).toEqual(['inside']);
  });

  it('does not put a file back over a newer one', async () => {
    const [path, aside] = [join(folders.root, 'place'), join(folders.root, 'aside')];
    await writeFile(path, 'old');
    const answers = [
      () => true,
      () => {
        // Between the move and the second look, as far as the collector can tell.
        writeFileSync(path, 'new');
        return false;
      },
    ];
    const retirement = new Retirement({ stands: () => answers.shift()?.() ?? false, withdraw: async () => undefined });
    expect(await retirement.move(path, aside, 'file')).toBe(false);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(folders.root)).toEqual(['place']);
  });
});
