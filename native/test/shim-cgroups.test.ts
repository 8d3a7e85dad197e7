import { accessSync, constants, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { exec, fail, run } from './support/run.js';
import { removeStateDirs } from './support/shim-session.js';

afterEach(removeStateDirs);

/** The first of these folders that holds the file and in which groups can be made. */
function hierarchy(file: string, ...folders: string[]): string | undefined {
  return folders.find((folder) => {
    try {
      accessSync(join(folder, file));
      accessSync(folder, constants.W_OK);
      return process.getuid?.() === 0;
    } catch {
      return false;
    }
  });
}

const v2 = hierarchy('cgroup.subtree_control', '/sys/fs/cgroup', '/sys/fs/cgroup/unified');
const v1 = hierarchy('tasks', '/sys/fs/cgroup/pids');
const because = (found: string | undefined) => (found ? '' : ' (skipped: no writable hierarchy here)');

async function inGroup(parent: string, work: (group: string, name: string) => Promise<void>): Promise<void> {
  const name = `gantry-native-test-${process.pid}`;
  const group = join(parent, name);
  mkdirSync(group);
  try {
    await work(group, name);
  } finally {
    rmdirSync(group);
  }
}

describe.skipIf(!v2)(`a control group of version 2${because(v2)}`, () => {
  it('holds the first process from its clone on', async () => {
    await inGroup(v2 ?? '', async (cgroup, name) => {
      const { stdout } = await run(exec('cat', '/proc/self/cgroup'), { cgroup });
      expect(stdout.split('\n')).toContain(`0::/${name}`);
      expect(readFileSync(join(cgroup, 'cgroup.procs'), 'utf8')).toBe('');
    });
  });

  it('that is absent is reported', async () => {
    const cgroup = join(v2 ?? '', 'no-such-group');
    expect(await fail(exec('/bin/true'), { cgroup })).toMatchObject({ name: 'shim: open', path: cgroup });
  });
});

describe.skipIf(!v1)(`a control group of version 1${because(v1)}`, () => {
  it('is joined by the first process', async () => {
    await inGroup(v1 ?? '', async (path, name) => {
      const { stdout } = await run([{ op: 'joinCgroup', path }, ...exec('cat', '/proc/self/cgroup')]);
      expect(stdout).toMatch(new RegExp(`^\\d+:pids:/${name}$`, 'm'));
    });
  });

  it('that is absent is reported', async () => {
    const path = join(v1 ?? '', 'no-such-group');
    const report = await fail([{ op: 'joinCgroup', path }, ...exec('/bin/true')]);
    expect(report).toMatchObject({ step: 0, name: 'joinCgroup: open', path });
  });
});
