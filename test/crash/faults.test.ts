import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import { type Containerizer, errnoOf, isGantryError } from '@gantry/interface';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { Host } from './host.mjs';
import type { Trial } from './plan.mjs';
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

requires({ root: true })('on a state root that', () => {
  let folder: TemporaryFolder;
  let disk: string;
  let rootfs: string;
  let containerizer: Containerizer;
  beforeEach(async () => {
    folder = await temporaryFolder();
    disk = join(folder.path, 'disk');
    rootfs = join(folder.path, 'rootfs');
    mkdirSync(disk);
    for (const name of ['bin', 'dev', 'proc', 'sys']) mkdirSync(join(rootfs, name), { recursive: true });
    cpSync('/bin/busybox', join(rootfs, 'bin', 'busybox'));
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

  function fill(): void {
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

  it('is full refuses to launch, and does so again once there is room', async () => {
    fill();
    expect(await refusal(containerizer.launch(spec('full', 'true')))).toMatch(/^SYSTEM: .*ENOSPC/);
    expect(readdirSync(join(disk, 'state', 'containers'))).toEqual([]);
    rmSync(join(disk, 'ballast'));
    await containerizer.remove('full');
    await containerizer.launch(spec('full', 'true'));
    expect((await containerizer.wait('full')).exit).toMatchObject({ type: 'exited', code: 0 });
  });

  it('fills up loses no container, and keeps what could not be written until it can be', async () => {
    await containerizer.launch(spec('caught', 'sleep', '1000'));
    fill();
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
