import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeSource } from '../src/volume/host-source.js';

/** What happens to a folder right after it was made. */
const planted = vi.hoisted((): { act(path: string): void } => ({ act: () => undefined }));
vi.mock('node:fs/promises', async (load) => {
  const real = await load<typeof import('node:fs/promises')>();
  const mkdir = async (path: string, options: object) => {
    const made = await real.mkdir(path, options);
    planted.act(path);
    return made;
  };
  return { ...real, mkdir };
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-source-'));
});
afterEach(() => {
  planted.act = () => undefined;
  rmSync(root, { recursive: true });
});

const create = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o777 };
const bind = () => ({ type: 'bind', source: join(root, 'data'), target: '/data', create }) as const;

describe('the source of a bind that is to be made', () => {
  it('has its mode in one step, and is left alone if it is there', async () => {
    await makeSource(bind(), 'one');
    expect(statSync(join(root, 'data')).mode & 0o7777).toBe(0o777);
    chmodSync(join(root, 'data'), 0o750);
    await makeSource(bind(), 'two');
    expect(statSync(join(root, 'data')).mode & 0o7777).toBe(0o750);
  });

  it('takes the place of none that is made meanwhile, be it empty', async () => {
    planted.act = (path) => {
      if (basename(path) === '.data.one') mkdirSync(join(root, 'data'), { mode: 0o711 });
    };
    await makeSource(bind(), 'one');
    expect(statSync(join(root, 'data')).mode & 0o7777).toBe(0o711);
  });

  it('gives nothing away to who puts a link in its place', async () => {
    const victim = join(root, 'victim');
    mkdirSync(victim, { mode: 0o700 });
    planted.act = (path) => {
      if (basename(path) !== '.data.one') return;
      renameSync(path, join(root, 'aside'));
      symlinkSync(victim, path);
    };
    await expect(makeSource(bind(), 'one')).rejects.toMatchObject({ code: 'SYSTEM' });
    expect(statSync(victim).mode & 0o7777).toBe(0o700);
  });
});
