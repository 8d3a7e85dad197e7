import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { eventually } from './eventually.mjs';
import { compareStates, expectUnchanged, machineState } from './machine-state.mjs';
import { requires } from './requires.js';
import { temporaryFolder } from './temporary-folder.js';

const children: ReturnType<typeof spawn>[] = [];

/** Runs a shell script in a session of its own, as a leaked process would be; it says `ready` when it has done its part. */
async function startScript(script: string): Promise<ReturnType<typeof spawn>> {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
});

it('sees a process that outlives a test, and no more once it has ended', async () => {
  const before = await machineState();
  const child = await startScript('echo ready; exec sleep 60');
  const found = await eventually(
    async () => compareStates(before, await machineState()),
    (differences) => differences.some((one) => one.includes('(sleep)')),
  );
  expect(found).toContainEqual(expect.stringMatching(`^process ${child.pid} \\d+ \\(sleep\\)$`));
  child.kill('SIGKILL');
  await expectUnchanged(before);
});

it('sees an orphan whose parent is gone', async () => {
  const before = await machineState();
  const child = await startScript('setsid sleep 61 & echo $!');
  const found = await eventually(
    async () => compareStates(before, await machineState()),
    (differences) => differences.some((one) => one.includes('(sleep)')),
  );
  const pid = Number(/^process (\d+) /.exec(found.find((one) => one.includes('(sleep)')) ?? '')?.[1]);
  expect(pid).toBeGreaterThan(1);
  expect(pid).not.toBe(child.pid);
  process.kill(pid, 'SIGKILL');
  await expectUnchanged(before);
});

requires({ root: true })('as root, the state of the machine', () => {
  it('has the namespaces and mounts of others apart from its own', async () => {
    const before = await machineState();
    const child = await startScript(
      'exec unshare --mount --uts sh -c "mount -t tmpfs none /mnt; echo ready; exec sleep 62"',
    );
    const found = compareStates(before, await machineState());
    expect(found).toContainEqual(expect.stringMatching(/^namespace mnt:\[\d+\]$/));
    expect(found).toContainEqual(expect.stringMatching(/^namespace uts:\[\d+\]$/));
    expect(found.filter((one) => one.startsWith('mount '))).toEqual([]);
    child.kill('SIGKILL');
    await expectUnchanged(before);
  });

  it('sees a mount that is left, and one that is taken away', async () => {
    await using folder = await temporaryFolder();
    const before = await machineState();
    await run('mount', '-t', 'tmpfs', 'none', folder.path);
    const during = await machineState();
    expect(compareStates(before, during)).toContainEqual(expect.stringMatching(`^mount \\d+ ${folder.path}$`));
    await run('umount', folder.path);
    expect(compareStates(during, await machineState())).toContainEqual(
      expect.stringMatching(`^mount gone: \\d+ ${folder.path}$`),
    );
  });

  it('sees a control group that is left', async () => {
    const before = await machineState();
    const tree = [...before.cgroups].find((path) => path.endsWith('/pids')) ?? '/sys/fs/cgroup';
    const group = join(tree, `gantry-test-${process.pid}`);
    await mkdir(group);
    expect(compareStates(before, await machineState())).toContain(`cgroup ${group}`);
    await rmdir(group);
    expect(compareStates(before, await machineState())).not.toContain(`cgroup ${group}`);
  });
});

async function run(command: string, ...args: string[]): Promise<void> {
  const [status] = await once(spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit');
  expect(status, `${command} ${args.join(' ')}`).toBe(0);
}
