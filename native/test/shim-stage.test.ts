import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Step } from '../../packages/launcher/src/protocol.generated.js';
import {
  busyboxRoot,
  CLONE_NEWIPC,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  charDevice,
  mountDev,
  mountProc,
  noRoots,
} from './support/root.js';
import { exec, fail, logged, run, shell } from './support/run.js';
import { cloneMessage, launchMessage, removeStateDirs, startShim, stateDir } from './support/shim-session.js';

const { ELOOP, ENOENT } = constants.errno;

const because = noRoots ? ` (skipped: ${noRoots})` : '';

const ahead: readonly Step[] = [
  { op: 'stage' },
  mountProc,
  mountDev,
  charDevice('/dev/null', 1, 3),
  { op: 'mask', path: '/proc/cpuinfo' },
];
const cloned = { cloneFlags: CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC, ahead };
const bring = (path: string, links = 0): Step => ({ op: 'bring', path, links });

/** The steps of the launch, up to the exec. */
function enter(source: string, ...between: Step[]): Step[] {
  const target = stateDir();
  return [
    { op: 'rootBind', source, target },
    bring('/proc'),
    bring('/dev', 1),
    ...between,
    { op: 'pivotRoot', path: target },
  ];
}

afterEach(removeStateDirs);

describe.skipIf(noRoots)(`a process that is staged${because}`, () => {
  it('has its root and what was mounted before, and nothing of the host', async () => {
    const script = `busybox cut -d" " -f5 /proc/self/mountinfo | busybox sort; cd ..; busybox ls
      busybox wc -c </proc/cpuinfo`;
    const root = busyboxRoot();
    const { stdout } = await run([...enter(root), ...shell(script)], cloned);
    expect(stdout).toBe('/\n/dev\n/proc\n/proc/cpuinfo\nbin\ndev\nproc\n0\n');
  });

  it('has nothing below its root, of the host least of all', async () => {
    // Who joins a mount namespace is at the top of what it has, which is then what lay below the root.
    const below = 'busybox umount -l /; exec busybox nsenter -t $$ -m /bin/busybox echo of the host';
    const script = `busybox unshare -m busybox sh -c '${below}' || echo nothing`;
    const { stdout } = await run([...enter(busyboxRoot()), ...shell(script)], cloned);
    expect(stdout).toBe('nothing\n');
    const kept = script.replace('busybox umount -l /', ':');
    const { stdout: counterTrial } = await run([...enter(busyboxRoot()), ...shell(kept)], cloned);
    expect(counterTrial).toBe('of the host\n');
  });

  it('takes from the host what is mounted there at its launch, and nothing that comes later', async () => {
    const source = busyboxRoot();
    const bound = stateDir();
    mkdirSync(join(source, 'bound'));
    const shim = await startShim();
    shim.send(cloneMessage({ cloneFlags: cloned.cloneFlags, steps: ahead }));
    const folder = stateDir();
    execFileSync('mount', ['-t', 'tmpfs', 'gantry', bound]);
    try {
      execFileSync('mount', ['--make-shared', bound]);
      writeFileSync(join(bound, 'new'), 'of the host\n');
      mkdirSync(join(bound, 'later'));
      const bind: Step = {
        op: 'bind',
        source: bound,
        target: '/bound',
        recursive: 1,
        attributes: 0,
        recursiveAttributes: 0,
        idmap: 0,
        identity: '',
      };
      const script = 'busybox cat /bound/new; read line; busybox ls /bound/later';
      const steps = [...enter(source, bind), ...shell(script)];
      execFileSync('mkfifo', [join(bound, 'gate')]);
      const waiting = script.replace('read line', 'read line </bound/gate');
      const all = [...steps.slice(0, -1), ...shell(waiting).slice(1)];
      shim.send(launchMessage({ stateDir: folder, steps: all }));
      await shim.expect('hello');
      shim.send({ op: 'release' });
      await shim.expect('started');
      execFileSync('mount', ['-t', 'tmpfs', 'gantry', join(bound, 'later')]);
      writeFileSync(join(bound, 'later', 'unseen'), '');
      writeFileSync(join(bound, 'gate'), 'go\n');
      await shim.expect('exited');
      execFileSync('umount', [join(bound, 'later')]);
    } finally {
      execFileSync('umount', [bound]);
    }
    expect(logged(folder, 'stdout')).toBe('of the host\n');
  });

  it('tells which step failed, counted over both parts', async () => {
    const early = [...ahead, { op: 'mount', type: 'nothing', source: '', target: '/x', flags: 0, data: '' } as const];
    const root = busyboxRoot();
    expect(await fail(enter(root), { ...cloned, ahead: early })).toMatchObject({ step: 5, name: 'mount: fsopen' });
    expect(await fail(enter(join(root, 'absent')), cloned)).toMatchObject({ step: 5, errno: ENOENT });
    expect(await fail([...enter(root), ...exec('/nowhere')], cloned)).toMatchObject({ step: 10, errno: ENOENT });
    expect(await fail(enter(root, bring('/sys')), cloned)).toMatchObject({ step: 8, errno: ENOENT, path: '/sys' });
  });

  it('does not follow a link in the place of /proc', async () => {
    const root = busyboxRoot();
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync('elsewhere', join(root, 'proc'));
    expect(await fail(enter(root), cloned)).toMatchObject({ step: 6, name: 'bring: openat2', errno: ELOOP });
  });
});
