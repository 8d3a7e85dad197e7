import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerStatus } from '@gantry/interface';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, readOutput, startHost, type TestHost } from './host.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true })('a host program that dies', () => {
  let host: TestHost;
  let next: Containerizer | undefined;
  const programs: ChildProcess[] = [];
  beforeEach(async () => {
    host = await startHost();
    // Pulled here, so that the host program to be killed is quick.
    await host.run({ command: ['/bin/true'] });
  });
  afterEach(async () => {
    for (const program of programs.splice(0)) await kill(program);
    for await (const { id } of next?.containers() ?? []) await next?.destroy(id);
    await next?.[Symbol.asyncDispose]();
    next = undefined;
    await host[Symbol.asyncDispose]();
  });

  async function launchIn(spec: object): Promise<{ program: ChildProcess; status: ContainerStatus }> {
    const script = fileURLToPath(new URL('./host-program.mjs', import.meta.url));
    const folders = [host.root, join(host.root, '..', 'other-state')];
    const program = spawn(process.execPath, [script, ...folders, JSON.stringify({ image: host.image, ...spec })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    programs.push(program);
    for await (const line of createInterface({ input: program.stdout as NodeJS.ReadableStream })) {
      return { program, status: JSON.parse(line) as ContainerStatus };
    }
    throw new Error('the host program ended before its container ran');
  }

  async function kill(program: ChildProcess): Promise<void> {
    if (program.exitCode !== null || program.signalCode !== null) return;
    const gone = once(program, 'exit');
    program.kill('SIGKILL');
    await gone;
  }

  async function nextHost(): Promise<Containerizer> {
    next = await createContainerizer({ root: host.root, stateRoot: join(host.root, '..', 'other-state') });
    return next;
  }

  it('is followed by one that finds the container, its log and its exit', async () => {
    const script = 'echo before; trap "echo stopped; exit 5" TERM; echo ready; while :; do sleep 0.1; done';
    const { program, status } = await launchIn({ id: 'survivor', ...sh(script) });
    await kill(program);
    const containerizer = await nextHost();
    expect(await containerizer.recover()).toMatchObject({ running: ['survivor'], cleaned: [], failed: [] });
    expect(await containerizer.status('survivor')).toMatchObject({
      state: 'RUNNING',
      pid: status.pid,
      shimPid: status.shimPid,
      createdAt: status.createdAt,
      startedAt: status.startedAt,
    });
    expect((await containerizer.usage('survivor')).memory?.current).toBeGreaterThan(0);
    await outputMatching(containerizer, 'survivor', /ready/);
    await containerizer.kill('survivor', 'SIGTERM');
    expect((await containerizer.wait('survivor')).exit).toMatchObject({ type: 'exited', code: 5 });
    expect((await readOutput(containerizer, 'survivor')).stdout).toBe('before\nready\nstopped\n');
    expect(await containerizer.recover()).toMatchObject({ running: [], cleaned: [], failed: [] });
  });

  it('is followed by one that learns how a container ended in between', async () => {
    const { program, status } = await launchIn({
      id: 'brief',
      ...sh('echo done; read line < /gate; exit 9'),
      mounts: [gate(host)],
    });
    await kill(program);
    writeFileSync(join(host.root, '..', 'gate'), 'go\n');
    await gone(status.shimPid);
    const containerizer = await nextHost();
    expect(await containerizer.recover()).toMatchObject({ running: [], cleaned: ['brief'] });
    const termination = await containerizer.wait('brief');
    expect(await containerizer.status('brief')).toMatchObject({ startedAt: status.startedAt });
    expect(termination.exit).toMatchObject({ type: 'exited', code: 9 });
    expect((await readOutput(containerizer, 'brief')).stdout).toBe('done\n');
  });

  it('leaves its containers to it while it lives', async () => {
    const { program } = await launchIn({ id: 'theirs', ...sh('while :; do sleep 1; done') });
    const containerizer = await nextHost();
    expect(await containerizer.recover()).toMatchObject({ running: [], foreign: ['theirs'] });
    // It can be signalled from here, but is cleaned up there.
    await containerizer.kill('theirs', 'SIGKILL');
    expect((await containerizer.wait('theirs')).exit).toMatchObject({ type: 'signaled' });
    await kill(program);
  });

  it('whose shim is killed too gets an explicit unknown, and no process is left', async () => {
    const { program, status } = await launchIn({ id: 'orphan', ...sh('while :; do sleep 1; done') });
    await kill(program);
    process.kill(status.shimPid ?? 0, 'SIGKILL');
    await gone(status.pid);
    const containerizer = await nextHost();
    expect(await containerizer.recover()).toMatchObject({ running: [], cleaned: ['orphan'] });
    expect((await containerizer.wait('orphan')).exit).toMatchObject({ type: 'unknown' });
  });

  it('lets the containers of another state root be that shares the images', async () => {
    const { containerizer, image, root } = host;
    await containerizer.launch({ id: 'neighbour', image, ...sh('echo ready; while :; do sleep 1; done') });
    await outputMatching(containerizer, 'neighbour', /ready/);
    const roots = readdirSync(root).map((folder) => join(root, folder, 'containers', 'neighbour'));
    const [ours = ''] = roots.filter(existsSync);
    const stranger = await nextHost();
    expect(await stranger.recover()).toMatchObject({ running: [], cleaned: [], foreign: [], failed: [] });
    expect(existsSync(ours)).toBe(true);
    await using process = await containerizer.exec('neighbour', { command: ['/bin/touch', '/written'] });
    expect(await process.exit).toMatchObject({ code: 0 });
  });

  it('may leave a torn record, which does not stop the recovery of others', async () => {
    const { program } = await launchIn({ id: 'whole', ...sh('while :; do sleep 1; done') });
    await kill(program);
    const folder = join(host.root, '..', 'other-state', 'containers');
    mkdirSync(join(folder, 'torn'));
    writeFileSync(join(folder, 'torn', 'state.json'), '');
    const containerizer = await nextHost();
    const report = await containerizer.recover();
    expect(report.running).toEqual(['whole']);
    expect(report.failed).toMatchObject([{ id: 'torn' }]);
    rmSync(join(folder, 'torn'), { recursive: true });
  });

  it('in the midst of a launch has left nothing to take over, though its container may run', async () => {
    const { program } = await launchIn({ id: 'half', ...sh('exec sleep 100000') });
    await kill(program);
    // As if it had died when the shim had the plan, and the folder not yet what it was made from.
    rmSync(join(host.root, '..', 'other-state', 'containers', 'half', 'request.json'));
    const containerizer = await nextHost();
    expect(await containerizer.recover()).toMatchObject({ running: [], cleaned: ['half'], failed: [] });
    expect((await containerizer.wait('half')).failure).toMatchObject({ code: 'ABORTED' });
  });

  it.each([
    { name: 'of another boot', bootId: 'earlier', later: 0 },
    { name: 'of a pid that is another process by now', bootId: undefined, later: 1 },
  ])('left a record $name: nobody is signalled, and the end is not known', async ({ bootId, later }) => {
    const { program, status } = await launchIn({ id: 'recorded', ...sh('true') });
    // Else its shim may write the exit record after this test has removed it.
    await gone(status.shimPid);
    await kill(program);
    const stranger = spawn('sleep', ['1000']);
    programs.push(stranger);
    const folder = join(host.root, '..', 'other-state', 'containers', 'recorded');
    amend(join(folder, 'state.json'), bootId === undefined ? {} : { bootId });
    const process = { pid: stranger.pid, startTime: startTimeOf(stranger.pid) - later };
    amend(join(folder, 'process.json'), bootId === undefined ? process : { ...process, bootId });
    for (const name of ['termination.json', 'exit']) rmSync(join(folder, name), { force: true });
    const containerizer = await nextHost();
    expect((await containerizer.recover()).failed).toEqual([]);
    expect((await containerizer.wait('recorded')).exit).toMatchObject({ type: 'unknown' });
    // Would SIGKILL have come, that would have been before the container was cleaned up.
    expect(readFileSync(`/proc/${stranger.pid}/status`, 'utf8')).toMatch(/^State:\s+S/m);
  });
});

/** Changes fields of a record. */
function amend(path: string, fields: object): void {
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...fields }));
}

/** Field 22 of proc_pid_stat(5). */
function startTimeOf(pid: number | undefined): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]);
}

/** Waits until a process that is no child of ours has ended. */
async function gone(pid: number | undefined): Promise<void> {
  for (;;) {
    try {
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A named pipe on which a container waits until the test writes to it. */
function gate(host: TestHost) {
  const source = join(host.root, '..', 'gate');
  execFileSync('mkfifo', [source]);
  return { type: 'bind' as const, source, target: '/gate' };
}
