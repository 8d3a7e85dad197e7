import { spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { makeTrial, nameOf } from './plan.mjs';
import { World } from './world.mjs';

const seconds = 40;

it('makes the same trial of the same seed and number', () => {
  expect(makeTrial(7, 99)).toEqual(makeTrial(7, 99));
  const trials = Array.from({ length: 200 }, (_, number) => makeTrial(7, number));
  expect(new Set(trials.map((trial) => JSON.stringify({ ...trial, number: 0 }))).size).toBeGreaterThan(190);
  expect(new Set(trials.map(({ point }) => nameOf(point))).size).toBeGreaterThan(40);
});

requires({ root: true, commands: ['strace'] })('a host program or a shim that is killed at any moment', () => {
  it('would be seen to leave something behind', async () => {
    await using folder = await temporaryFolder();
    await using world = await World.open(folder.path);
    const before = await world.look();
    expect(await world.differences(before)).toEqual([]);
    mkdirSync(join(world.stateRoot(1), 'containers'), { recursive: true });
    expect(await world.differences(before)).toEqual([]);
    writeFileSync(join(world.stateRoot(1), 'containers', 'left'), '');
    const group = `/sys/fs/cgroup/gantry-crash-test-${process.pid}`;
    mkdirSync(group);
    const found = await world.differences(before);
    rmdirSync(group);
    world.forget(1);
    expect(found).toEqual([`cgroup ${group}`, 'file left: states/1/containers/left']);
    expect(await world.differences(before)).toEqual([]);
  });

  it(`leaves nothing behind and loses nothing, in ${seconds} seconds of trials`, () => {
    // A new seed each day: over time they add up.
    const seed = Math.floor(Date.now() / 86_400_000);
    const index = fileURLToPath(new URL('./index.mjs', import.meta.url));
    const { stdout } = spawnSync(process.execPath, [index, '--seed', `${seed}`, '--seconds', `${seconds}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    expect(stdout).toMatch(/^\d+ trials, seed \d+, 0 failed$/m);
    const reached = Array.from(stdout.matchAll(/^ +\d+ +[1-9]\d* +0 {2}(\w+)/gm), ([, kind]) => kind);
    expect(new Set(reached)).toEqual(new Set(['step', 'time', 'call', 'error']));
  });
});
