import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fingerprint, unlessDone } from '../../scripts/lib/fingerprint.mjs';
import { cacheFolder, root } from '../../scripts/lib/paths.mjs';

let folder = '';

beforeEach(() => {
  mkdirSync(cacheFolder, { recursive: true });
  folder = mkdtempSync(join(cacheFolder, 'fingerprint-'));
  mkdirSync(join(folder, 'src/inner'), { recursive: true });
  writeFileSync(join(folder, 'src/inner/a.ts'), 'a');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  rmSync(`${folder}.stamp`, { force: true });
});

const sources = () => fingerprint([`${relative(root, folder)}/src`, 'no/such/file']);

it('differs once a file is written, added, removed or put back to an older time', () => {
  const seen = [sources(), sources()];
  expect(seen[0]).toBe(seen[1]);
  const changes = [
    () => writeFileSync(join(folder, 'src/inner/a.ts'), 'longer'),
    () => writeFileSync(join(folder, 'src/b.ts'), ''),
    () => rmSync(join(folder, 'src/b.ts')),
    () => utimesSync(join(folder, 'src/inner/a.ts'), 1, 1),
  ];
  let last = seen[0];
  for (const change of changes) {
    change();
    expect(sources()).not.toBe(last);
    last = sources();
  }
});

it('repeats work that failed, whose sources changed or whose output is gone, and no other', async () => {
  const output = join(folder, 'output');
  let times = 0;
  const done = (work: () => void) =>
    unlessDone(basename(folder), sources(), [relative(root, output)], async () => {
      times += 1;
      work();
    });
  await expect(
    done(() => {
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  const write = () => writeFileSync(output, 'made');
  await done(write);
  expect(times).toBe(2);
  await done(write);
  expect(times).toBe(2);
  writeFileSync(join(folder, 'src/b.ts'), '');
  await done(write);
  expect(times).toBe(3);
  rmSync(output);
  await done(write);
  expect(times).toBe(4);
});
