import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout, ContainerSpec, ContainerUsage } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const MiB = 2 ** 20;

requires({ root: true })('limits by control groups', () => {
  let host: TestHost;
  let layout: CgroupLayout;
  beforeAll(async () => {
    host = await startHost();
    layout = await detectCgroups();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  const launch = async (spec: Partial<ContainerSpec>) => {
    const { id } = await host.containerizer.launch({ image: host.image, ...sh('exec sleep 1000'), ...spec });
    return id;
  };
  /** What a file of a running container's group holds, by its name on v1 and v2. */
  const held = async (id: string, v1: string, v2: string) => {
    const { pid } = await host.containerizer.status(id);
    const [controller = '', file] = layout.version === 'v1' ? [v1.split('.')[0], v1] : ['', v2];
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
    const group = groups.find(([, name]) => (controller === '' ? name === '' : name?.split(',').includes(controller)));
    const mount = layout.mounts.get(controller === '' ? 'unified' : controller) ?? '';
    return readFileSync(join(mount, group?.[2] ?? '', file ?? ''), 'utf8').trim();
  };
  const usageWhen = (id: string, seen: (usage: ContainerUsage) => boolean) =>
    eventually(() => host.containerizer.usage(id), seen, 60_000);
  /** Groups left below any parent of ours, in any tree. */
  const groupsOf = (id: string) =>
    [...new Set(layout.mounts.values())].filter((mount) =>
      readdirSync(mount, { withFileTypes: true }).some(
        (entry) => entry.name.startsWith('gantry') && existsSync(join(mount, entry.name, id)),
      ),
    );

  it('hold back a program that wants more CPU, but let it save some up', async () => {
    const busy = sh('while :; do :; done');
    const id = await launch({ ...busy, resources: { limits: { cpus: 0.2, cpuBurst: 0.1 } } });
    expect(await held(id, 'cpu.cfs_burst_us', 'cpu.max.burst')).toBe('10000');
    const { cpu } = await usageWhen(id, (usage) => (usage.cpu?.throttledPeriods ?? 0) > 2);
    expect(cpu?.throttledTime).toBeGreaterThan(0);
    expect(cpu?.periods).toBeGreaterThanOrEqual(cpu?.throttledPeriods ?? 0);
    expect(cpu?.burstPeriods).toBeGreaterThanOrEqual(0);
    // Lower than the burst in between: the order matters to the kernel.
    await host.containerizer.update(id, { limits: { cpus: 0.05 } });
    expect(await held(id, 'cpu.cfs_burst_us', 'cpu.max.burst')).toBe('0');
    await host.containerizer.update(id, { cpuIdle: true });
    expect(await held(id, 'cpu.idle', 'cpu.idle')).toBe('1');
    await host.containerizer.update(id, { requests: { cpus: 0.5 } });
    expect(await held(id, 'cpu.idle', 'cpu.idle')).toBe('0');
    expect(await held(id, 'cpu.shares', 'cpu.weight')).toBe(layout.version === 'v1' ? '512' : '50');
    await host.containerizer.destroy(id);
    expect(groupsOf(id)).toEqual([]);
    await expect(launch({ resources: { limits: { cpus: 0.2, cpuBurst: 0.3 } } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('share a CPU as was requested, and leave what is idle the rest', async () => {
    const busy = (resources: ContainerSpec['resources']) =>
      launch({ ...sh('while :; do :; done'), resources: { ...resources, cpuset: { cpus: '0' } } });
    const ids = [
      await busy({ requests: { cpus: 0.8 } }),
      await busy({ requests: { cpus: 0.2 } }),
      await busy({ cpuIdle: true }),
    ];
    const used = () => Promise.all(ids.map(async (id) => (await host.containerizer.usage(id)).cpu?.total ?? 0));
    const from = await used();
    const to = await eventually(used, ([, less = 0]) => less > (from[1] ?? 0) + 500_000_000, 60_000);
    const [more = 0, less = 0, idle = 0] = to.map((total, index) => total - (from[index] ?? 0));
    // Four to one, whatever else there is to do on that CPU.
    expect(more / less).toBeGreaterThan(2.5);
    expect(more / less).toBeLessThan(6);
    expect(idle / less).toBeLessThan(0.2);
    for (const id of ids) await host.containerizer.destroy(id);
  });

  it('keep a container on its CPUs, and refuse those that there are not', async () => {
    const shown = 'grep Cpus_allowed_list /proc/self/status | cut -f 2';
    const { stdout } = await host.run({ ...sh(shown), resources: { cpuset: { cpus: '0' } } });
    expect(stdout).toBe('0\n');
    await expect(launch({ resources: { cpuset: { cpus: '0,4095' } } })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('cpus 4095 are not among those'),
      details: { isolator: 'cgroups/cpuset' },
    });
    await expect(launch({ resources: { cpuset: { cpus: '3-1' } } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const id = await launch({ resources: { cpuset: { cpus: '0', mems: '0' } } });
    expect(await held(id, 'cpuset.cpus', 'cpuset.cpus')).toBe('0');
    const { pid } = await host.containerizer.status(id);
    const allowed = () => /Cpus_allowed_list:\t(.*)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    await host.containerizer.update(id, { cpuset: { cpus: '1' } });
    expect(allowed()).toBe('1');
    await host.containerizer.update(id, {});
    expect(allowed()).not.toBe('1');
    await host.containerizer.destroy(id);
    expect(groupsOf(id)).toEqual([]);
  });

  it('lower the memory of a container that can give some up, and refuse what it cannot', async () => {
    // Held in a variable of the shell.
    const hog = sh(
      `x=$(head -c ${24 * MiB} /dev/zero | tr '\\0' x); echo full; exec 3< /dev/null; while :; do sleep 1; done`,
    );
    const id = await launch({ ...hog, resources: { limits: { memory: 192 * MiB } } });
    await outputMatching(host.containerizer, id, /full/);
    const limit = async () => (await host.containerizer.usage(id)).memory?.limit;
    await expect(host.containerizer.update(id, { limits: { memory: 8 * MiB, cpus: 0.5 } })).rejects.toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'cgroups/mem', errno: 'EBUSY' },
    });
    expect(await limit()).toBe(192 * MiB);
    // What had been set for the CPU was put back with it.
    expect(await held(id, 'cpu.cfs_quota_us', 'cpu.max')).toBe(layout.version === 'v1' ? '-1' : 'max 100000');
    await host.containerizer.update(id, { limits: { memory: 128 * MiB } });
    expect(await limit()).toBe(128 * MiB);
    const { memory } = await host.containerizer.usage(id);
    expect(memory?.oomKills).toBe(0);
    expect(memory?.events).toMatchObject({ max: expect.any(Number) });
    expect(Object.keys(memory?.stat ?? {}).length).toBeGreaterThan(10);
    await host.containerizer.destroy(id);
  });

  it('hold back, rather than kill, what is above memoryHigh; v1 has no such thing', async () => {
    const resources = { limits: { memoryHigh: 16 * MiB } };
    if (layout.version === 'v1') {
      await expect(launch({ resources })).rejects.toMatchObject({
        code: 'REFUSED',
        details: { isolator: 'cgroups/mem', field: 'spec.resources.limits.memoryHigh' },
      });
      return;
    }
    const id = await launch({ ...sh('cat /dev/zero | head -c 64000000 | tail -c 32000000 > /dev/null'), resources });
    const { memory } = await usageWhen(id, (usage) => (usage.memory?.events?.['high'] ?? 0) > 0);
    expect(memory).toMatchObject({ high: 16 * MiB, oomKills: 0 });
    await host.containerizer.destroy(id);
  });

  it('count forks that fail, and tell pressure on v2', async () => {
    const bomb = sh('(for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done); exec sleep 100');
    const id = await launch({ ...bomb, resources: { limits: { pids: 5 } } });
    const usage = await usageWhen(id, ({ pids }) => (pids?.refusals ?? 0) > 0);
    expect(usage.pids).toMatchObject({ limit: 5 });
    const pressure = [usage.cpu?.pressure, usage.memory?.pressure, usage.io?.pressure];
    if (layout.version === 'v1') expect(pressure).toEqual([undefined, undefined, undefined]);
    else if (existsSync('/proc/pressure')) {
      for (const item of pressure)
        expect(item?.some).toMatchObject({ avg10: expect.any(Number), total: expect.any(Number) });
    }
    await host.containerizer.destroy(id);
    expect(groupsOf(id)).toEqual([]);
  });

  it('are the parent’s for a nested container that shares them', async () => {
    const parent = await launch({ resources: { limits: { pids: 20, memory: 64 * MiB }, cpuset: { cpus: '0' } } });
    const shared = { parent, shareCgroups: true };
    const child = await launch(shared);
    const grandchild = await launch({ ...shared, parent: child });
    const groups = async (id: string) => {
      const { pid } = await host.containerizer.status(id);
      return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    };
    expect(await groups(child)).toBe(await groups(parent));
    expect(await groups(grandchild)).toBe(await groups(parent));
    expect(groupsOf(child)).toEqual([]);
    const usage = await host.containerizer.usage(grandchild);
    expect(usage.pids).toMatchObject({ current: 3, limit: 20 });
    expect(usage.memory?.limit).toBe(64 * MiB);
    const exec = await host.containerizer.exec(child, sh('cat /proc/self/cgroup | wc -l'));
    expect(await exec.exit).toMatchObject({ code: 0 });
    await expect(launch({ ...shared, resources: { limits: { pids: 3 } } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'spec.resources' },
    });
    for (const call of [
      host.containerizer.update(child, {}),
      host.containerizer.pause(child),
      host.containerizer.kill(child, 'SIGKILL', { all: true }),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    }
    await host.containerizer.pause(parent);
    expect((await host.containerizer.status(grandchild)).state).toBe('PAUSED');
    await expect(host.containerizer.destroy(child)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await host.containerizer.resume(parent);
    expect((await host.containerizer.status(grandchild)).state).toBe('RUNNING');
    await host.containerizer.destroy(child);
    expect((await host.containerizer.usage(parent)).pids).toMatchObject({ current: 1 });
    await host.containerizer.pause(parent);
    await host.containerizer.destroy(parent);
    expect(groupsOf(parent)).toEqual([]);
  });

  it('of a nested container are changed all or none', async () => {
    const parent = await launch({ resources: { limits: { pids: 50 } } });
    const id = await launch({ parent, resources: { limits: { pids: 9, memory: 64 * MiB } } });
    await host.containerizer.update(id, { limits: { pids: 8, memory: 32 * MiB, cpus: 1 } });
    expect(await held(id, 'pids.max', 'pids.max')).toBe('8');
    const refused = host.containerizer.update(id, {
      limits: { pids: 7, memory: 16 * MiB, cpus: 0.5, hugepages: { '3MB': 0 } },
    });
    await expect(refused).rejects.toMatchObject({ code: 'REFUSED', details: { isolator: 'cgroups/hugetlb' } });
    expect(await held(id, 'pids.max', 'pids.max')).toBe('8');
    expect(await held(id, 'cpu.cfs_quota_us', 'cpu.max')).toBe(layout.version === 'v1' ? '100000' : '100000 100000');
    expect((await host.containerizer.usage(id)).memory?.limit).toBe(32 * MiB);
    await host.containerizer.destroy(parent);
  });

  it('of network classes are refused where the host has none', async () => {
    for (const [resources, isolator] of [
      [{ network: { classId: 0x10001 } }, 'net_cls'],
      [{ network: { priorities: { lo: 5 } } }, 'net_prio'],
    ] as const) {
      if (layout.mounts.has(isolator)) continue;
      await expect(launch({ resources })).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining(`mount -t cgroup -o ${isolator}`),
        details: { isolator: `cgroups/${isolator}` },
      });
    }
  });
});
