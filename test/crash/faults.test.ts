import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import { type Containerizer, errnoOf, isGantryError } from '@gantry/interface';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { removeGroup } from '../support/control-groups.mjs';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { Host } from './host.mjs';
import type { Trial } from './plan.mjs';
import { isRunning } from './processes.mjs';
import { runTrial } from './trial.mjs';
import { World } from './world.mjs';

requires({ root: true })('a host program that runs out of', () => {
  let folder: TemporaryFolder;
  let world: World;
  beforeAll(async () => {
    folder = await temporaryFolder();
    world = await World.open(folder.path);
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** Launches more containers than can be, and gives the errors of those that could not. */
  async function overload(constrain: (pid: number) => void): Promise<string[]> {
    const containers = Array.from({ length: 24 }, (_, at) => ({ id: `many-${at}`, kind: 'image' as const }));
    const trial: Trial = { number: 0, point: { type: 'end' }, containers, atOnce: true, actions: [], closes: false };
    const host = new Host();
    await host.ready;
    constrain(host.pid);
    expect((await runTrial(world, trial, host)).faults).toEqual([]);
    const failed = host.reports.filter((report) => report.type === 'failed');
    expect(failed.length).toBeGreaterThan(0);
    return failed.map(({ code, message }) => `${code}: ${message}`);
  }

  it('descriptors is told so, and loses and leaves nothing', async () => {
    const messages = await overload((pid) => execFileSync('prlimit', ['--pid', `${pid}`, '--nofile=48']));
    for (const message of messages) expect(message).toMatch(/EMFILE/);
  });

  it('processes is told so, and loses and leaves nothing', async () => {
    const group = groupForProcesses();
    try {
      const messages = await overload((pid) => {
        writeFileSync(join(group, 'cgroup.procs'), `${pid}`);
        writeFileSync(join(group, 'pids.max'), '24');
      });
      for (const message of messages) expect(message).toMatch(/EAGAIN/);
    } finally {
      rmdirSync(group);
    }
  });
});

/** A group for a host program, on either version. */
function groupForProcesses(): string {
  const v1 = readdirSync('/sys/fs/cgroup').includes('pids');
  const group = join('/sys/fs/cgroup', v1 ? 'pids' : '', `gantry-faults-${process.pid}`);
  mkdirSync(group);
  return group;
}

requires({ root: true })('a shim that runs out of', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());
  const sleeps = { command: ['/bin/sleep', '1000'] };

  it('memory is ended by the kernel, which is noticed within a second, and its container with it', async () => {
    const { containerizer, image } = host;
    const { id, pid = 0, shimPid = 0 } = await containerizer.launch({ image, ...sleeps });
    await using folder = await temporaryFolder();
    execFileSync('mount', ['-t', 'tmpfs', 'gantry', folder.path]);
    const group = new MemoryGroup(16 << 20);
    const noticed = new Promise<number>((resolve) => {
      containerizer.on('state', ({ to }) => void (to === 'DESTROYING' && resolve(performance.now())));
    });
    try {
      group.add(shimPid);
      // Else the kernel takes it last of all.
      writeFileSync(`/proc/${shimPid}/oom_score_adj`, '1000');
      const hungry = group.startHungry(folder.path);
      const died = await timeOfEnd(shimPid);
      expect((await containerizer.wait(id)).exit).toMatchObject({ type: 'unknown', reason: 'the shim was lost' });
      expect((await noticed) - died).toBeLessThan(1000);
      await timeOfEnd(pid);
      // There is still not enough for the one that is left.
      if (hungry.signalCode === null) await once(hungry, 'exit');
      expect(group.kills()).toBe(2);
    } finally {
      execFileSync('umount', [folder.path]);
      await group.remove();
    }
    await containerizer.remove(id);
  });

  it('descriptors starts no more programs, and its container goes on', async () => {
    const { containerizer, image } = host;
    const { id, shimPid = 0 } = await containerizer.launch({ image, ...sleeps });
    const limit = (option: string) => execFileSync('prlimit', ['--pid', `${shimPid}`, option]);
    const used = readdirSync(`/proc/${shimPid}/fd`).map(Number);
    // The lowest number that is free is given next: there is one for the connection, and not enough for a process.
    limit(`--nofile=${Math.max(...used) + 2}:`);
    const refused: unknown = await containerizer.exec(id, { command: ['/bin/true'] }).catch((error: unknown) => error);
    expect(isGantryError(refused) && `${refused.code}: ${refused.message}`).toMatch(/^(LAUNCH_FAILED|SHIM_LOST): /);
    expect((await containerizer.status(id)).state).toBe('RUNNING');
    limit('--nofile=1024:');
    await using entered = await containerizer.exec(id, { command: ['/bin/true'] });
    expect(await entered.exit).toMatchObject({ type: 'exited', code: 0 });
    expect((await containerizer.destroy(id)).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    await containerizer.remove(id);
  });
});

/** A control group of either version with a limit of memory. */
class MemoryGroup {
  readonly #path: string;
  readonly #isVersion1: boolean;

  constructor(bytes: number) {
    const root = '/sys/fs/cgroup';
    this.#isVersion1 = readdirSync(root).includes('memory');
    this.#path = join(root, this.#isVersion1 ? 'memory' : '', `gantry-faults-${process.pid}`);
    if (!this.#isVersion1) writeFileSync(join(root, 'cgroup.subtree_control'), '+memory');
    mkdirSync(this.#path);
    writeFileSync(join(this.#path, this.#isVersion1 ? 'memory.limit_in_bytes' : 'memory.max'), `${bytes}`);
  }

  add(pid: number): void {
    writeFileSync(join(this.#path, 'cgroup.procs'), `${pid}`);
  }

  /** Starts a program in it that takes more than the limit, in a folder that is in memory, so that the program itself stays small. */
  startHungry(folder: string): ChildProcess {
    const script = 'echo 0 > "$1/cgroup.procs"; exec dd if=/dev/zero of="$2/ballast" bs=64K count=4K';
    return spawn('sh', ['-c', script, 'sh', this.#path, folder], { stdio: 'ignore' });
  }

  /** How many processes the kernel has ended for want of memory. */
  kills(): number {
    const text = readFileSync(join(this.#path, this.#isVersion1 ? 'memory.oom_control' : 'memory.events'), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
  }

  remove(): Promise<void> {
    return removeGroup(this.#path);
  }
}

/** When a process, that is no child of ours, has ended. */
async function timeOfEnd(pid: number): Promise<number> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const now = performance.now();
    if (!isRunning(pid)) return now;
    if (now > deadline) throw new Error(`process ${pid} does not end`);
    await new Promise(setImmediate);
  }
}

requires({ root: true })('on a disk for images and roots that', () => {
  it.each([
    { is: 'full', errno: 'ENOSPC' },
    { is: 'read-only', errno: 'EROFS' },
  ])('is $is nothing is launched, until it is not', async ({ is, errno }) => {
    await using folder = await temporaryFolder();
    const disk = join(folder.path, 'disk');
    const rootfs = busyboxRoot(folder.path);
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'gantry', disk]);
    try {
      const roots = { root: join(disk, 'root'), stateRoot: join(folder.path, 'state') };
      await using containerizer = await createContainerizer(roots);
      const spec = { id: 'tried', rootfs, command: ['/bin/busybox', 'true'] };
      if (is === 'full') {
        fill(disk);
      } else {
        // Its folders are made by then.
        await containerizer.launch({ ...spec, id: 'before' });
        await containerizer.wait('before');
        await containerizer.remove('before');
        execFileSync('mount', ['-o', 'remount,ro', disk]);
      }
      expect(await refusal(containerizer.launch(spec))).toMatch(new RegExp(`^SYSTEM: .*${errno}`));
      if (is === 'full') rmSync(join(disk, 'ballast'));
      else execFileSync('mount', ['-o', 'remount,rw', disk]);
      await containerizer.destroy('tried');
      await containerizer.remove('tried');
      await containerizer.launch(spec);
      expect((await containerizer.wait('tried')).exit).toMatchObject({ type: 'exited', code: 0 });
      await containerizer.remove('tried');
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

/** A folder with nothing but busybox in it. */
function busyboxRoot(folder: string): string {
  const rootfs = join(folder, 'rootfs');
  for (const name of ['bin', 'dev', 'proc', 'sys']) mkdirSync(join(rootfs, name), { recursive: true });
  cpSync('/bin/busybox', join(rootfs, 'bin', 'busybox'));
  return rootfs;
}

/** Leaves no byte. */
function fill(disk: string): void {
  try {
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(1 << 20));
  } catch (error) {
    if (errnoOf(error) !== 'ENOSPC') throw error;
  }
}

async function refusal(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason) => reason,
  );
  if (!isGantryError(error)) throw new Error(`no typed error but ${String(error)}`);
  return `${error.code}: ${error.message}`;
}

requires({ root: true })('on a state root that', () => {
  let folder: TemporaryFolder;
  let disk: string;
  let rootfs: string;
  let containerizer: Containerizer;
  beforeEach(async () => {
    folder = await temporaryFolder();
    disk = join(folder.path, 'disk');
    rootfs = busyboxRoot(folder.path);
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'gantry', disk]);
    containerizer = await createContainerizer({ root: join(folder.path, 'root'), stateRoot: join(disk, 'state') });
  });
  afterEach(async () => {
    for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
    await containerizer[Symbol.asyncDispose]();
    execFileSync('umount', [disk]);
    await folder[Symbol.asyncDispose]();
  });

  const spec = (id: string, ...command: string[]) => ({ id, rootfs, command: ['/bin/busybox', ...command] });

  it('is full refuses to launch, and does so again once there is room', async () => {
    fill(disk);
    expect(await refusal(containerizer.launch(spec('full', 'true')))).toMatch(/^SYSTEM: .*ENOSPC/);
    expect(readdirSync(join(disk, 'state', 'containers'))).toEqual([]);
    rmSync(join(disk, 'ballast'));
    await containerizer.remove('full');
    await containerizer.launch(spec('full', 'true'));
    expect((await containerizer.wait('full')).exit).toMatchObject({ type: 'exited', code: 0 });
  });

  it('fills up loses no container, and keeps what could not be written until it can be', async () => {
    await containerizer.launch(spec('caught', 'sleep', '1000'));
    fill(disk);
    await containerizer.kill('caught', 'SIGKILL');
    expect((await containerizer.wait('caught')).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    expect(await refusal(containerizer.destroy('caught'))).toMatch(/^CLEANUP_FAILED: .*ENOSPC/);
    rmSync(join(disk, 'ballast'));
    expect((await containerizer.destroy('caught')).exit).toMatchObject({ type: 'signaled' });
    await containerizer.remove('caught');
  });

  it('is read-only refuses to launch and to forget, until it is not', async () => {
    await containerizer.launch(spec('ended', 'true'));
    await containerizer.wait('ended');
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    try {
      expect(await refusal(containerizer.launch(spec('late', 'true')))).toMatch(/^SYSTEM: .*EROFS/);
      expect(await refusal(containerizer.remove('ended'))).toMatch(/^SYSTEM: .*EROFS/);
    } finally {
      execFileSync('mount', ['-o', 'remount,rw', disk]);
    }
    await containerizer.remove('ended');
  });

  it('is well holds what ended for want of memory, and within a second what lost its shim', async () => {
    const limits = { memory: 16 << 20 };
    const hungry = ['sh', '-c', 'exec tail -c 200000000 /dev/zero'];
    await containerizer.launch({ ...spec('hungry', ...hungry), resources: { limits } });
    expect(await containerizer.wait('hungry')).toMatchObject({
      exit: { type: 'signaled', signal: 'SIGKILL' },
      limitation: { resource: 'memory' },
    });
    const { shimPid = 0 } = await containerizer.launch(spec('orphan', 'sleep', '1000'));
    const killed = performance.now();
    process.kill(shimPid, 'SIGKILL');
    expect((await containerizer.wait('orphan')).exit).toMatchObject({ type: 'unknown' });
    expect(performance.now() - killed).toBeLessThan(1000);
  });
});
