import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCgroups } from '../src/cgroups/create-cgroups.js';
import { chooseLayout } from '../src/cgroups/layout.js';
import { parseCgroupMounts } from '../src/cgroups/mountinfo.js';
import { applySettings } from '../src/cgroups/settings.js';
import { readFiles } from '../src/cgroups/text-files.js';

const refused = expect.objectContaining({ code: 'REFUSED' });

describe('finding control groups', () => {
  const root = '/sys/fs/cgroup';
  const v1Lines = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd`;
  const hybridLine = '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw';
  const v2Line = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';

  it('maps v1 subsystems to their mounts, those mounted together to one', () => {
    const layout = chooseLayout(parseCgroupMounts(v1Lines, root), [], root);
    expect(layout.version).toBe('v1');
    expect(Object.fromEntries(layout.mounts)).toEqual({
      cpu: '/sys/fs/cgroup/cpu,cpuacct',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct',
      memory: '/sys/fs/cgroup/memory',
      pids: '/sys/fs/cgroup/pids',
    });
  });

  it('takes a hybrid for v1 unless its v2 tree has what is needed', () => {
    const mounts = parseCgroupMounts(`${v1Lines}\n${hybridLine}`, root);
    expect(chooseLayout(mounts, ['hugetlb'], root).version).toBe('v1');
    expect(chooseLayout(mounts, ['cpu', 'memory'], root).version).toBe('v1');
    const unified = chooseLayout(mounts, ['cpu', 'io', 'memory', 'pids'], root);
    expect(unified).toMatchObject({ version: 'v2', unified: ['cpu', 'io', 'memory', 'pids'] });
    expect(Object.fromEntries(unified.mounts)).toEqual({
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct',
      unified: '/sys/fs/cgroup/unified',
    });
  });

  it('finds every controller of a hybrid where it is', () => {
    const layout = chooseLayout(parseCgroupMounts(`${v1Lines}\n${hybridLine}`, root), ['hugetlb'], root);
    expect(layout.mounts.get('unified')).toBe('/sys/fs/cgroup/unified');
    const cgroups = createCgroups(layout);
    expect(cgroups.version).toBe('v1');
    expect([cgroups.versionOf('memory'), cgroups.versionOf('hugetlb')]).toEqual(['v1', 'v2']);
    expect(cgroups.folders('hugetlb', '/g/c', 'x')).toEqual(['/sys/fs/cgroup/unified/g/c']);
    expect(cgroups.file('/g/c', 'hugetlb.2MB.max')).toBe('/sys/fs/cgroup/unified/g/c/hugetlb.2MB.max');
    expect(cgroups.file('/g/c', 'cpuacct.usage')).toBe('/sys/fs/cgroup/cpu,cpuacct/g/c/cpuacct.usage');
    const beside = '50 31 0:40 / /sys/fs/cgroup/net_cls rw - cgroup cgroup rw,net_cls';
    const v2 = chooseLayout(parseCgroupMounts(`${v2Line}\n${beside}`, root), ['cpu', 'io', 'memory', 'pids'], root);
    expect(createCgroups(v2).version).toBe('v2');
    expect(createCgroups(v2).folders('net_cls', '/g/c', 'x')).toEqual(['/sys/fs/cgroup/net_cls/g/c']);
    expect(() => createCgroups(v2).folders('net_prio', '/g/c', 'x')).toThrow(refused);
  });

  it('takes a tree without v1 for v2 whatever it offers', () => {
    expect(chooseLayout(parseCgroupMounts(v2Line, root), [''], root).version).toBe('v2');
  });

  it('looks at or below its root only, sees through escapes, and not at what a later mount hides', () => {
    const elsewhere = '50 23 0:40 / /mnt/cgroup rw - cgroup2 cgroup2 rw';
    const hidden = '51 30 0:41 / /sys/fs/cgroup rw - tmpfs tmpfs rw';
    expect(parseCgroupMounts(`${elsewhere}\n${v2Line}\n${hidden}`, root)).toEqual([]);
    const spaced = '50 23 0:40 / /mnt/c\\040g rw - cgroup2 cgroup2 rw';
    expect(parseCgroupMounts(spaced, '/mnt').map((mount) => mount.path)).toEqual(['/mnt/c g']);
  });

  it('says so if there are none', () => {
    expect(() => chooseLayout([], [], root)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });
});

describe('files of control groups', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-cgroup-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const v2 = () => createCgroups({ version: 'v2', mounts: new Map([['unified', folder]]) });
  const v1 = () =>
    createCgroups({
      version: 'v1',
      mounts: new Map(['cpu', 'cpuacct', 'memory', 'pids'].map((subsystem) => [subsystem, folder])),
    });
  const put = (files: Readonly<Record<string, string>>) => {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  };

  it('v1: CPU time in nanoseconds, ticks converted', async () => {
    put({
      'cpuacct.usage': '96091316638\n',
      'cpuacct.stat': 'user 6484\nsystem 3124\n',
      'cpu.stat': 'nr_periods 30\nnr_throttled 12\nthrottled_time 345678\nnr_bursts 0\nburst_time 0\n',
    });
    expect(v1().cpu.usage(await readFiles(v1(), '/', v1().cpu.usageFiles))).toEqual({
      total: 96_091_316_638,
      user: 64_840_000_000,
      system: 31_240_000_000,
      periods: 30,
      throttledPeriods: 12,
      throttledTime: 345_678,
      burstPeriods: 0,
      burstTime: 0,
    });
  });

  it('v2: CPU time in nanoseconds; without the controller no throttling', async () => {
    put({ 'cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnice_usec 0\n' });
    expect(v2().cpu.usage(await readFiles(v2(), '/', v2().cpu.usageFiles))).toEqual({
      total: 1_500_000,
      user: 1_000_000,
      system: 500_000,
    });
  });

  it('v1: memory with everything below it; no limit where the kernel shows its largest number', async () => {
    put({
      'memory.usage_in_bytes': '1000000\n',
      'memory.limit_in_bytes': '9223372036854771712\n',
      'memory.max_usage_in_bytes': '2000000\n',
      'memory.stat': 'cache 1\nrss 2\ntotal_cache 300\ntotal_rss 200\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
    });
    expect(v1().memory.usage(await readFiles(v1(), '/', v1().memory.usageFiles))).toEqual({
      current: 1_000_000,
      peak: 2_000_000,
      anon: 200,
      file: 300,
      oomKills: 3,
      events: { oom_kill: 3 },
      stat: { cache: 1, rss: 2, total_cache: 300, total_rss: 200 },
    });
  });

  it('v2: memory; an older kernel has no peak', async () => {
    put({
      'memory.current': '5000\n',
      'memory.max': '67108864\n',
      'memory.stat': 'anon 4096\nfile 100\nkernel 7\n',
      'memory.events': 'low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\noom_group_kill 1\n',
    });
    expect(v2().memory.usage(await readFiles(v2(), '/', v2().memory.usageFiles))).toEqual({
      current: 5000,
      limit: 67_108_864,
      anon: 4096,
      file: 100,
      oomKills: 2,
      events: { low: 0, high: 0, max: 9, oom: 1, oom_kill: 2, oom_group_kill: 1 },
      stat: { anon: 4096, file: 100, kernel: 7 },
    });
  });

  it("tells a kill at the group's own limit from one because the host ran out", async () => {
    put({ 'memory.events': 'oom 3\noom_kill 1\n', 'memory.events.local': 'oom 0\n' });
    expect(v2().memory.outOfMemory(await readFiles(v2(), '/', v2().memory.outOfMemoryFiles))).toEqual({
      kills: 1,
      atOwnLimit: false,
    });
    put({ 'memory.events': 'oom 2\noom_kill 2\n', 'memory.events.local': 'oom 2\n' });
    expect(v2().memory.outOfMemory(await readFiles(v2(), '/', v2().memory.outOfMemoryFiles)).atOwnLimit).toBe(true);
    for (const [peak, atOwnLimit] of [
      ['5000000', false],
      ['8388608', true],
    ] as const) {
      put({
        'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
        'memory.limit_in_bytes': '8388608\n',
        'memory.max_usage_in_bytes': peak,
      });
      const files = await readFiles(v1(), '/', v1().memory.outOfMemoryFiles);
      expect(v1().memory.outOfMemory(files)).toEqual({ kills: 2, atOwnLimit });
    }
  });

  it('settings are refused where the kernel lacks the file, unless they are optional', () => {
    const setting = { file: 'memory.none', value: '1' };
    expect(() => applySettings(v2(), '/', [setting], 'cgroups/mem')).toThrow(refused);
    expect(() => applySettings(v2(), '/', [setting], 'cgroups/mem')).toThrow(/^cgroups\/mem: .*ENOENT/);
    expect(() => applySettings(v2(), '/', [{ ...setting, optional: true }], 'cgroups/mem')).not.toThrow();
  });

  it('settings are refused if another value is read back', () => {
    // An ordinary file keeps what is behind the text written, so what is read back differs.
    put({ 'pids.max': '0000' });
    expect(() => applySettings(v2(), '/', [{ file: 'pids.max', value: '12' }], 'x')).toThrow(/holds 1200/);
    expect(() => applySettings(v2(), '/', [{ file: 'pids.max', value: '13', paged: true }], 'x')).toThrow(refused);
  });
});

describe('settings', () => {
  const v1 = createCgroups({ version: 'v1', mounts: new Map() });
  const v2 = createCgroups({ version: 'v2', mounts: new Map([['unified', '/c']]) });
  const written = (settings: readonly { file: string; value: string }[]) =>
    settings.map(({ file, value }) => `${file}=${value}`);

  it.each([
    [{}, [], []],
    [{ request: 0.5 }, ['cpu.shares=512'], ['cpu.weight=50']],
    [{ request: 0.0001 }, ['cpu.shares=2'], ['cpu.weight=1']],
    [{ request: 4000 }, ['cpu.shares=262144'], ['cpu.weight=10000']],
    [{ limit: 1.5 }, ['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=150000'], ['cpu.max=150000 100000']],
    [{ limit: 0.001 }, ['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=1000'], ['cpu.max=1000 100000']],
  ])('for CPUs %j', (limits, on1, on2) => {
    expect(written(v1.cpu.settings(limits))).toEqual(on1);
    expect(written(v2.cpu.settings(limits))).toEqual(on2);
  });

  it('for memory: no swap unless asked for, and the limit before that on memory and swap', () => {
    expect(written(v1.memory.settings({ request: 100, limit: 200 }))).toEqual([
      'memory.limit_in_bytes=200',
      'memory.memsw.limit_in_bytes=200',
      'memory.soft_limit_in_bytes=100',
    ]);
    expect(written(v2.memory.settings({ request: 100, limit: 200, swap: 50 }))).toEqual([
      'memory.max=200',
      'memory.swap.max=50',
      'memory.low=100',
      'memory.oom.group=1',
    ]);
    expect(v1.memory.settings({ limit: 200, swap: 50 }).map((setting) => setting.optional ?? false)).toEqual([
      false,
      false,
    ]);
  });
});
