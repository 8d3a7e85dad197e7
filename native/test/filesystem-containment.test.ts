import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addon } from '../src/addon.js';
import type { RootDirectory } from '../src/filesystem.js';

const path = fc
  .array(fc.constantFrom('a', 'b', 'c', 'victim'), { minLength: 1, maxLength: 4 })
  .map((components) => Buffer.from(components.join('/')));
const target = fc
  .constantFrom('..', '../..', '../victim', '../../victim', '/', '/victim', '/a/..', 'a/b', 'b', '/proc/self/root', '.')
  .map((text) => Buffer.from(text));
const metadata = fc.record({
  mode: fc.nat(0o7777),
  uid: fc.nat(3),
  gid: fc.nat(3),
  mtimeSeconds: fc.nat(1000),
  mtimeNanoseconds: fc.constant(0),
  xattrs: fc.constant([]),
});

type Step = (root: RootDirectory) => unknown;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(path, metadata).map(
    ([p, m]): Step =>
      (root) =>
        root.folder(p, m),
  ),
  fc.tuple(path, metadata).map(
    ([p, m]): Step =>
      (root) =>
        root.file(p, Buffer.from('written'), m),
  ),
  fc.tuple(path, target, metadata).map(
    ([p, t, m]): Step =>
      (root) =>
        root.symlink(p, t, m),
  ),
  fc.tuple(path, target, metadata).map(
    ([p, t, m]): Step =>
      (root) =>
        root.symlink(p, t, m),
  ),
  fc.tuple(path, path).map(
    ([p, t]): Step =>
      (root) =>
        root.hardLink(p, t),
  ),
  fc.tuple(path, metadata).map(
    ([p, m]): Step =>
      (root) =>
        root.fifo(p, m),
  ),
  path.map(
    (p): Step =>
      (root) =>
        root.whiteout(p),
  ),
  path.map(
    (p): Step =>
      (root) =>
        root.opaque(p),
  ),
  path.map(
    (p): Step =>
      (root) =>
        root.folderTimes(p, Float64Array.of(7, 0)),
  ),
  path.map(
    (p): Step =>
      (root) =>
        root.remove(p),
  ),
);

/** Errors that such steps may come to; anything else would be a fault of the addon. */
const expected = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR']);

describe.skipIf(process.geteuid?.() !== 0)('containment (needs root: owners and devices)', { timeout: 60_000 }, () => {
  it('no order of steps touches anything beside the root', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-containment-'));
    const victim = join(folder, 'victim');
    await writeFile(victim, 'untouched', { mode: 0o600 });
    const before = await lstat(victim, { bigint: true });
    let done = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const inner = join(folder, 'root');
        await mkdir(inner);
        const root = new (addon().RootDirectory)(inner);
        for (const each of steps) {
          try {
            each(root);
            done++;
          } catch (error) {
            expect(expected).toContain(errnoOf(error));
          }
        }
        root.close();
        await rm(inner, { recursive: true });
        expect(await readdir(folder)).toEqual(['victim']);
        expect(await lstat(victim, { bigint: true })).toEqual({
          ...before,
          atimeMs: expect.anything(),
          atimeNs: expect.anything(),
          atime: expect.anything(),
        });
        expect(await readFile(victim, 'utf8')).toBe('untouched');
      }),
      { numRuns: 150 },
    );
    expect(done).toBeGreaterThan(500);
    await rm(folder, { recursive: true });
  });
});
