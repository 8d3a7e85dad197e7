import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Step } from '../../packages/launcher/src/protocol.generated.js';
import { exec, fail, run } from './support/run.js';
import { cloneMessage, launchMessage, removeStateDirs, startShim, stateDir } from './support/shim-session.js';

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

async function inGroup(
  parent: string,
  work: (group: string, name: string) => Promise<void>,
  suffix = '',
): Promise<void> {
  const name = `gantry-native-test-${process.pid}${suffix}`;
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

  it('that was made ahead holds the first process before its launch, and under another name after it', async () => {
    await inGroup(v1 ?? '', async (own, name) => {
      // There is another one with the name that its steps give.
      await inAhead(async (ahead) => {
        const { shim, pid } = await waitingIn(ahead);
        expect(readFileSync(join(ahead, 'tasks'), 'utf8')).toBe(`${pid}\n`);
        renameSync(ahead, `${own}-renamed`);
        expect(await launchIn(shim, own, 1)).toMatch(new RegExp(`^\\d+:pids:/${name}-renamed$`, 'm'));
        renameSync(`${own}-renamed`, ahead);
      });
    });
  });

  it('that was made ahead is left for another', async () => {
    await inGroup(v1 ?? '', async (own, name) => {
      await inAhead(async (ahead) => {
        const { shim } = await waitingIn(ahead);
        expect(await launchIn(shim, own, 0)).toMatch(new RegExp(`^\\d+:pids:/${name}$`, 'm'));
      });
    });
  });

  it('that was made ahead and is gone ends the first process', async () => {
    const shim = await startShim();
    shim.send(cloneMessage({ groups: [{ op: 'joinCgroup', path: join(v1 ?? '', 'no-such-group') }] }));
    expect((await shim.next())?.op).toBe('failed');
    expect(await shim.next()).toBeUndefined();
  });

  const inAhead = (work: (group: string) => Promise<void>) => inGroup(v1 ?? '', work, '-ahead');

  async function waitingIn(group: string) {
    const shim = await startShim();
    shim.send(cloneMessage({ groups: [{ op: 'joinCgroup', path: group }] }));
    const { pid } = await shim.expect('cloned');
    return { shim, pid };
  }

  /** Launches a process that is to be in `group`; what it says of its groups. */
  async function launchIn(shim: Awaited<ReturnType<typeof startShim>>, group: string, joined: number): Promise<string> {
    const folder = stateDir();
    const steps: Step[] = [
      { op: 'awaitGroups' },
      { op: 'joinCgroup', path: group },
      ...exec('cat', '/proc/self/cgroup'),
    ];
    shim.send(launchMessage({ stateDir: folder, steps, release: 1, groups: 1 }));
    shim.send({ op: 'grouped', joined });
    for (const op of ['hello', 'started', 'exited'] as const) await shim.expect(op);
    return readFileSync(join(folder, 'log'), 'utf8').replace(/^\S+ stdout \S /gm, '');
  }
});
