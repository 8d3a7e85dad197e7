import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRegistryClient } from '@gantry/registry-client';
import { busyboxImage, pushImage, startRegistry, type TestRegistry } from '@gantry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.js';
import { ControlGroup } from './control-group.mjs';
import { gantry } from './gantry.mjs';
import { measurePulls } from './measure.mjs';
import { pipeline } from './pipeline.mjs';
import { Agreement, type Puller } from './puller.mjs';
import { missedPullGoals, pullTable } from './report.mjs';
import { Sandbox } from './sandbox.mjs';
import { summarise } from './tree.mjs';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

/** A layer with one file, whose time and content may differ. */
async function layer(name: string, content: string, seconds = 1_000_000): Promise<string> {
  const path = join(folder.path, name);
  await mkdir(join(path, 'etc'), { recursive: true });
  await writeFile(join(path, 'etc/motd'), content);
  await symlink('motd', join(path, 'etc/issue'));
  await utimes(join(path, 'etc/motd'), seconds, seconds);
  return path;
}

it('tells trees apart by size and time, and heeds whiteouts of archives', async () => {
  const trees = await Promise.all([
    summarise([await layer('same', 'hello')]),
    summarise([await layer('also-same', 'hello')]),
    summarise([await layer('longer', 'hello!')]),
    summarise([await layer('later', 'hello', 2_000_000)]),
  ]);
  expect(trees.map(({ entries }) => entries)).toEqual([3, 3, 3, 3]);
  expect(trees[1]).toEqual(trees[0]);
  expect(new Set(trees.map(({ digest }) => digest)).size).toBe(3);

  await mkdir(join(folder.path, 'above/etc'), { recursive: true });
  await writeFile(join(folder.path, 'above/etc/.wh.issue'), '');
  const above = await summarise([join(folder.path, 'same'), join(folder.path, 'above')]);
  expect(above.entries).toBe(2);
});

it('refuses figures of a puller that unpacked something else', () => {
  const agreement = new Agreement();
  agreement.add('a', { entries: 3, digest: 'x' });
  agreement.add('b', { entries: 3, digest: 'x' });
  expect(() => agreement.add('c', { entries: 3, digest: 'y' })).toThrow(/^c and a unpacked different trees/);
});

const figuresOf = (values: Record<string, number>) =>
  new Map(Object.entries(values).map(([name, value]) => [name, [value]]));

it('names each goal that was missed, and none for which there is no figure', () => {
  expect(missedPullGoals(new Map(), 5)).toEqual([]);
  const met = { 'gantry: seconds': 2, 'docker: seconds': 10, 'podman: seconds': 11, 'bare igzip: seconds': 2.5 };
  expect(missedPullGoals(figuresOf({ ...met, 'gantry: loop max': 10, 'gantry: memory': 150 }), 5)).toEqual([]);
  expect(missedPullGoals(figuresOf(met), 6)).toHaveLength(1);
  const busy = { ...met, 'gantry: loop max': 20, 'gantry: idle loop max': 21 };
  expect(missedPullGoals(figuresOf(busy), 5)).toEqual([]);
  const held = { ...met, 'bare igzip: seconds': 1.9, 'gantry: loop max': 10.5, 'gantry: memory': 151 };
  expect(missedPullGoals(figuresOf(held), 6)).toHaveLength(4);
});

it('compares medians with Gantry', () => {
  const figures = new Map([
    ['gantry: seconds', [2, 9, 3]],
    ['docker: seconds', [9, 12, 30]],
    ['gantry: cpu', [1]],
    ['docker: cpu', [2]],
  ]);
  const [, , ...rows] = pullTable(figures, ['gantry', 'docker']).split('\n');
  expect(rows.map((row) => row.split('|').map((cell) => cell.trim()))).toEqual([
    ['', 'gantry', '3.00', '1.00', '2.00', '9.00', '1.00', '', ''],
    ['', 'docker', '12.00', '4.00', '9.00', '30.00', '2.00', '', ''],
  ]);
});

requires({ root: true, commands: ['bash', 'curl', 'gzip', 'setpriv', 'tar', 'unshare'] })('a measured pull', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry?.[Symbol.asyncDispose]());

  it('gives the figures of Gantry and of the bare pipeline, which unpack the same files, and leaves none of them', async () => {
    const reference = `${registry.address}/busybox:1`;
    await pushImage(await busyboxImage(), createRegistryClient(), reference);
    const place = join(folder.path, 'place');
    await mkdir(place);
    const { signal } = new AbortController();
    const pullers = [gantry(undefined, undefined, true), pipeline('gzip')];
    const said: string[] = [];
    const options = {
      folder: place,
      rounds: 1,
      signal,
      pace: { limitSeconds: 600, say: (line: string) => said.push(line) },
    };
    const { figures, entries } = await measurePulls([{ reference, pullers }], options);
    expect(said).toEqual([
      expect.stringMatching(/^gantry: [\d.]+ s, [\d.]+ s of processors/),
      expect.stringMatching(/^bare gzip: /),
    ]);
    expect(entries).toBeGreaterThan(100);
    for (const name of [
      'gantry: seconds',
      'gantry: cpu',
      'gantry: memory',
      'gantry: loop held',
      'bare gzip: seconds',
      'bare gzip: cpu',
    ]) {
      expect(figures.get(name), name).toEqual([expect.any(Number)]);
      expect(figures.get(name)?.[0], name).toBeGreaterThan(0);
    }
    expect(await readdir(place)).toEqual([]);
  });

  it('fails with what a program wrote', async () => {
    const pullers = [pipeline('gzip')];
    const reference = `${registry.address}/busybox:1`;
    const fault = registry.fault({ path: /\/blobs\// }, { type: 'status', status: 404 });
    const { signal } = new AbortController();
    const options = { folder: folder.path, rounds: 1, signal, pace: { limitSeconds: 600, say: () => undefined } };
    const measured = measurePulls([{ reference, pullers }], options);
    await expect(measured).rejects.toThrow(/bash ended with status \d+:\n.*curl: .* 404/s);
    expect(fault.hits).toBeGreaterThan(0);
  });

  it('goes on without one that takes too long', async () => {
    const reference = `${registry.address}/busybox:1`;
    const stuck: Puller = {
      name: 'stuck',
      commands: [],
      start: async ({ sandbox }) => ({
        pull: async () => void (await sandbox.run('sleep', ['1000'])),
        layers: async () => [],
        close: async () => undefined,
      }),
    };
    const said: string[] = [];
    const { signal } = new AbortController();
    const pace = { limitSeconds: 2, say: (line: string) => said.push(line) };
    const options = { folder: folder.path, rounds: 2, signal, pace };
    expect(await measurePulls([{ reference, pullers: [stuck] }], options)).toEqual({ figures: new Map(), entries: 0 });
    expect(said).toEqual(Array.from({ length: 2 }, () => 'stuck: ended after 2 s, without a figure'));
  });

  it('ends with all that it started when it is interrupted', async () => {
    const group = await ControlGroup.make();
    const interrupted = new AbortController();
    const sandbox = new Sandbox({ group, env: {}, signal: interrupted.signal });
    const program = sandbox.start('sh', ['-c', 'sleep 99 & echo up; wait']);
    for await (const line of program.lines) {
      expect(line).toBe('up');
      break;
    }
    interrupted.abort(new Error('enough'));
    await expect(program.ended()).rejects.toThrow('enough');
    // No process is in it any more, else it could not be removed.
    await group.remove();
  });
});
