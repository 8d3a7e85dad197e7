import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout, ContainerSpec } from '@gantry/interface';
import { addon } from '@gantry/native';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createIsolators } from '../src/create.js';
import { contextOf } from './context.js';
import { isZombie, MachineGroups, MiB, pidsIn, until } from './machine-groups.js';

// An emulated machine takes its time.
const slow = { timeout: 60_000 };
describe.skipIf(process.getuid?.() !== 0)('control groups of this machine (needs root)', slow, async () => {
  const groups = await MachineGroups.open('test');
  const { layout, isolators, parent } = groups;
  const { prepare, cleanUp, run, exitOf, named, held, mounts, isolatorsBelow } = groups;

  afterEach(() => groups.empty());

  it('hold what was asked for, rounded to pages at most', async () => {
    await prepare('limits', {
      requests: { cpus: 0.5, memory: 8 * MiB },
      limits: { cpus: 1.5, memory: 32 * MiB + 5, pids: 7 },
    });
    expect(held('limits', 'cpu.shares', 'cpu.weight')).toBe(layout.version === 'v1' ? '512' : '50');
    expect(held('limits', 'cpu.cfs_quota_us', 'cpu.max')).toBe(layout.version === 'v1' ? '150000' : '150000 100000');
    expect(Number(held('limits', 'memory.limit_in_bytes', 'memory.max'))).toBe(32 * MiB);
    expect(Number(held('limits', 'memory.soft_limit_in_bytes', 'memory.low'))).toBe(8 * MiB);
    expect(held('limits', 'pids.max', 'pids.max')).toBe('7');
    if (layout.version === 'v2') expect(held('limits', '', 'memory.oom.group')).toBe('1');
    expect((await named('cgroups/mem').usage?.('limits'))?.memory?.limit).toBe(32 * MiB);
  });

  it('limit nothing but the number of processes if nothing is asked for', async () => {
    await prepare('defaults');
    expect(held('defaults', 'pids.max', 'pids.max')).toBe('4096');
    expect(held('defaults', 'cpu.cfs_quota_us', 'cpu.max')).toBe(layout.version === 'v1' ? '-1' : 'max 100000');
    expect((await named('cgroups/mem').usage?.('defaults'))?.memory).not.toHaveProperty('limit');
    await prepare('unlimited', { limits: { pids: Number.POSITIVE_INFINITY } });
    expect(held('unlimited', 'pids.max', 'pids.max')).toBe('max');
  });

  it.skipIf(layout.version === 'v2')('are each made by one call of the addon where its parent is there', async () => {
    await prepare('first');
    const calls = vi.spyOn(addon(), 'runGroupCalls');
    await prepare('quick', { limits: { memory: 32 * MiB, cpus: 1 } });
    expect(calls.mock.calls.map(([[first]]) => first?.[1].split('/').at(-3))).toEqual(
      expect.arrayContaining(['cpu', 'devices', 'memory', 'pids'].map((name) => expect.stringContaining(name))),
    );
    for (const { value } of calls.mock.results) expect(value).toBeInstanceOf(Array);
    calls.mockRestore();
  });

  it('measure a process in them', async () => {
    const folders = await prepare('usage', { limits: { cpus: 0.2 } });
    const child = run(folders, 'while :; do :; done');
    const exit = exitOf(child);
    const cpu = async () => (await named('cgroups/cpu').usage?.('usage'))?.cpu;
    const throttled = async () => ((await cpu())?.throttledTime ?? 0) > 0;
    while (!(await throttled()));
    expect((await named('cgroups/pids').usage?.('usage'))?.pids?.current).toBe(1);
    child.kill('SIGKILL');
    expect(await exit).toBe('SIGKILL');
    // It is held back when a fifth of a period of 100 ms is used up.
    expect((await cpu())?.total).toBeGreaterThan(15_000_000);
    expect((await cpu())?.throttledPeriods).toBeGreaterThan(0);
    const memory = (await named('cgroups/mem').usage?.('usage'))?.memory;
    expect(memory?.oomKills).toBe(0);
    expect((await named('cgroups/pids').usage?.('usage'))?.pids).toMatchObject({
      current: 0,
      limit: 4096,
      refusals: 0,
    });
    expect(await named('cgroups/mem').limitation?.('usage')).toBeUndefined();
  });

  it('name the memory limit when a process is killed for it', async () => {
    const limit = 16 * MiB;
    const folders = await prepare('hog', { limits: { memory: limit } });
    await exitOf(run(folders, `head -c ${8 * limit} /dev/zero | tail -c ${8 * limit}`));
    const limitation = await named('cgroups/mem').limitation?.('hog');
    expect(limitation).toMatchObject({ isolator: 'cgroups/mem', resource: 'memory' });
    expect(limitation?.message).toContain(`the memory limit of ${limit} bytes was reached`);
    expect((await named('cgroups/mem').usage?.('hog'))?.memory?.oomKills).toBeGreaterThan(0);
  });

  it('stop a container from having more processes than its limit, and end what it leaves behind', async () => {
    const folders = await prepare('forks', { limits: { pids: 5 } });
    expect(await exitOf(run(folders, 'for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done'))).toBe(2);
    expect((await named('cgroups/pids').usage?.('forks'))?.pids).toMatchObject({ current: 4, limit: 5, refusals: 1 });
    expect(await named('cgroups/pids').limitation?.('forks')).toBeUndefined();
    const left = pidsIn(folders);
    expect(left).toHaveLength(4);
    await cleanUp('forks');
    expect(left.filter((pid) => existsSync(`/proc/${pid}/exe`) && !isZombie(pid))).toEqual([]);
  });

  it('are removed under a container that goes on forking', async () => {
    const folders = await prepare('bomb', { limits: { pids: 60 } });
    const loop = 'while :; do sleep 0.001; done';
    const exit = exitOf(run(folders, `for i in 1 2 3 4 5 6 7 8 9 10; do (${loop}) & done; wait`));
    await until(() => pidsIn(folders).length > 10);
    await cleanUp('bomb');
    await exit;
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('are removed with the groups that the container made inside', async () => {
    const folders = await prepare('nested');
    const inner = folders.map((folder) => join(folder, 'a', 'b'));
    for (const folder of inner) mkdirSync(folder, { recursive: true });
    const exit = exitOf(run(inner, 'exec sleep 1000'));
    await until(() => pidsIn(inner).length > 0);
    await cleanUp('nested');
    expect(await exit).toBe('SIGKILL');
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('are listed by id, and cleaned up twice, or for nobody, without complaint', async () => {
    await prepare('one');
    await prepare('two');
    for (const isolator of isolators) {
      const ids: string[] = [];
      for await (const id of isolator.list?.() ?? []) ids.push(id);
      // On v1 a freezer has nothing before it is asked to freeze, and others only where they are asked for something.
      const always = ['cgroups/cpu', 'cgroups/devices', 'cgroups/mem', 'cgroups/pids'];
      const hasNone = layout.version === 'v1' && !always.includes(isolator.name);
      expect(ids.sort()).toEqual(hasNone ? [] : ['one', 'two']);
    }
    for (const id of ['one', 'one', 'nobody']) await cleanUp(id);
    expect(mounts().filter((mount) => existsSync(join(mount, parent, 'one')))).toEqual([]);
    await expect(named('cgroups/cpu').usage?.('one')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await named('cgroups/mem').limitation?.('one')).toBeUndefined();
  });

  it('keep their parent until they are closed, and after that while it has any group', async () => {
    await prepare('first');
    await cleanUp('first');
    const parents = mounts()
      .map((mount) => join(mount, parent))
      .filter((folder) => existsSync(folder));
    expect(parents).not.toEqual([]);
    await prepare('second');
    for (const isolator of isolators) await isolator.close?.();
    expect(parents.filter((folder) => !existsSync(folder))).toEqual([]);
  });

  it('survive that others close, which takes their parent away', async () => {
    const lives = Array.from({ length: 16 }, async (_, index) => {
      for (let round = 0; round < 5; round++) {
        const folders = await prepare(`race-${index}`);
        expect(folders.every((folder) => existsSync(folder))).toBe(true);
        await cleanUp(`race-${index}`);
        for (const isolator of isolators) await isolator.close?.();
      }
    });
    await Promise.all(lives);
  });

  it('are refused to a container while an earlier one of its id is in them, or left its counters', async () => {
    const folders = await prepare('again');
    const child = run(folders, 'exec sleep 1000');
    const exit = exitOf(child);
    await until(() => pidsIn(folders).length > 0);
    await expect(prepare('again')).rejects.toMatchObject({ code: 'REFUSED' });
    child.kill('SIGKILL');
    expect(await exit).toBe('SIGKILL');
    await expect(prepare('again')).rejects.toMatchObject({ code: 'REFUSED' });
    await cleanUp('again');
    await expect(prepare('again')).resolves.toHaveLength(folders.length);
  });

  it('need the group above their parent to be there', async () => {
    const below = `/gantry-test-absent-${process.pid}/deep`;
    await expect(prepare('deep', {}, isolatorsBelow(below), below)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining(`make `),
    });
  });

  it('refuse what they cannot limit', async () => {
    const refusals: [ContainerSpec['resources'], string][] = [
      [{ limits: { memory: MiB } }, 'REFUSED'],
      [{ limits: { swap: MiB } }, 'INVALID_ARGUMENT'],
      [{ limits: { memory: 8 * MiB }, requests: { memory: 9 * MiB } }, 'INVALID_ARGUMENT'],
      [{ limits: { cpus: 0 } }, 'INVALID_ARGUMENT'],
      [{ limits: { pids: 0 } }, 'INVALID_ARGUMENT'],
      [{ limits: { pids: 2 ** 23 } }, 'INVALID_ARGUMENT'],
    ];
    for (const [resources, code] of refusals) await expect(prepare('bad', resources)).rejects.toMatchObject({ code });
    const none: CgroupLayout = { version: 'v1', mounts: new Map([['cpu', '/sys/fs/cgroup/cpu']]) };
    const [isolator] = createIsolators({ cgroups: none }).filter(({ name }) => name === 'cgroups/mem');
    await expect(isolator?.edits(contextOf({}))).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('on v2, say which processes are in the way of switching a controller on', async (test) => {
    if (layout.version === 'v1') test.skip('this machine has cgroup v1');
    const above = join(mounts()[0] ?? '', `gantry-test-above-${process.pid}`);
    mkdirSync(above);
    const child = run([above], 'exec sleep 1000');
    const exit = exitOf(child);
    const below = `/${above.split('/').at(-1)}/p`;
    const using = isolatorsBelow(below);
    try {
      await until(() => pidsIn([above]).length > 0);
      await expect(prepare('c', {}, using, below)).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining(`move the processes in ${above}`),
      });
    } finally {
      for (const isolator of using) await isolator.cleanup?.('c');
      child.kill('SIGKILL');
      await exit;
      await until(() => readFileSync(join(above, 'cgroup.events'), 'utf8').includes('populated 0'));
      rmdirSync(above);
    }
  });
});
