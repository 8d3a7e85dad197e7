import type { Resources } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import type { CgroupSetting } from '../src/cgroups/cgroups.js';
import { cpuTransition } from '../src/cgroups/cpu-amounts.js';
import { formatCpuList, parseCpuList } from '../src/cgroups/cpu-list.js';
import { createCgroups } from '../src/cgroups/create-cgroups.js';
import { sizeName } from '../src/cgroups/hugetlb.js';
import { pressureIn } from '../src/cgroups/pressure.js';
import { isHeld } from '../src/cgroups/settings.js';
import { createIsolators } from '../src/create.js';
import { contextOf } from './context.js';

const v1 = createCgroups({ version: 'v1', mounts: new Map() });
const v2 = createCgroups({ version: 'v2', mounts: new Map([['unified', '/c']]) });
const written = (settings: readonly CgroupSetting[]) => settings.map(({ file, value }) => `${file}=${value}`);
const files = (content: Readonly<Record<string, string>>) => new Map(Object.entries(content));
const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'x' } });

describe('lists of CPUs', () => {
  it.each([
    ['0', '0'],
    ['0,1,2', '0-2'],
    ['7,0-3', '0-3,7'],
    ['3-3', '3'],
    ['0-1,1-4', '0-4'],
    ['10,9,2', '2,9-10'],
  ])('%s is written by the kernel as %s', (given, kernel) => {
    expect(formatCpuList(parseCpuList(given, 'x'))).toBe(kernel);
  });

  it.each(['', ',', '1,', '3-1', '-1', 'a', '0-', '1 2', '99999999', '0-99999'])('%j is none', (text) => {
    expect(() => parseCpuList(text, 'x')).toThrow(invalid);
  });
});

describe('block I/O', () => {
  const limits = { weight: 50, devices: [{ device: '8:0', writeBytes: 100, readOperations: 7 }] };

  it('v1: a file for each kind of limit; the weight by what the kernel has', () => {
    expect(written(v1.io.settings(limits, () => true))).toEqual([
      'blkio.weight=50',
      'blkio.throttle.write_bps_device=8:0 100',
      'blkio.throttle.read_iops_device=8:0 7',
    ]);
    const [weight] = v1.io.settings(limits, (file) => file.includes('bfq'));
    expect(weight?.file).toBe('blkio.bfq.weight');
  });

  it('v2: one line a disk, as the kernel shows it', () => {
    const [weight, max] = v2.io.settings(limits, (file) => file === 'io.weight');
    expect([weight?.value, max?.value]).toEqual(['default 50', '8:0 rbps=max wbps=100 riops=7 wiops=max']);
    const weights = (present: (file: string) => boolean) =>
      v2.io.settings({ ...limits, devices: [] }, present).map(({ file }) => file);
    expect(weights((file) => file === 'io.bfq.weight')).toEqual(['io.bfq.weight']);
    // Each disk goes by the one that its scheduler knows.
    expect(weights(() => true)).toEqual(['io.weight', 'io.bfq.weight']);
    expect(weights(() => false)).toEqual(['io.weight']);
    expect(max && isHeld(max, '7:0 rbps=1 wbps=max riops=max wiops=max\n8:0 rbps=max wbps=100 riops=7 wiops=max')).toBe(
      true,
    );
    expect(max && isHeld(max, '8:0 rbps=max wbps=101 riops=7 wiops=max')).toBe(false);
    // A key is a whole word.
    expect(max && isHeld({ ...max, list: { key: '8:0', line: '', clear: '' } }, '8:01 rbps=1')).toBe(true);
  });

  it('are cleared by what a group holds', () => {
    const held = files({ 'blkio.bfq.weight': '50\n', 'blkio.throttle.write_bps_device': '8:0 100\n7:1 5\n' });
    expect(written(v1.io.cleared(held))).toEqual([
      'blkio.bfq.weight=100',
      'blkio.throttle.write_bps_device=8:0 0',
      'blkio.throttle.write_bps_device=7:1 0',
    ]);
    const line = '8:0 rbps=max wbps=100 riops=max wiops=max\n';
    expect(written(v2.io.cleared(files({ 'io.weight': 'default 50\n8:0 300\n', 'io.max': line })))).toEqual([
      'io.weight=default 100',
      'io.max=8:0 rbps=max wbps=max riops=max wiops=max',
    ]);
  });

  it('are counted by disk', () => {
    const on1 = files({
      'blkio.throttle.io_service_bytes_recursive': '8:0 Read 4096\n8:0 Write 10\n8:0 Total 4106\nTotal 4106\n',
      'blkio.throttle.io_serviced_recursive': '8:0 Read 1\n8:0 Write 2\n7:0 Read 3\nTotal 6\n',
    });
    const sda = { major: 8, minor: 0, readBytes: 4096, writeBytes: 10, readOperations: 1, writeOperations: 2 };
    expect(v1.io.usage(on1)[0]).toEqual(sda);
    expect(v1.io.usage(on1)[1]).toMatchObject({ major: 7, readBytes: 0, readOperations: 3 });
    const on2 = files({ 'io.stat': '8:0 rbytes=4096 wbytes=10 rios=1 wios=2 dbytes=9 dios=1\n' });
    expect(v2.io.usage(on2)).toEqual([sda]);
    expect(v2.io.usage(files({}))).toEqual([]);
  });
});

describe('huge pages', () => {
  it('are named as the kernel names them', () => {
    expect([64, 2048, 32_768, 1_048_576].map(sizeName)).toEqual(['64KB', '2MB', '32MB', '1GB']);
  });

  it('are limited by what is reserved too, and not at all by Infinity', () => {
    expect(written(v1.hugetlb.settings('2MB', 4_194_304))).toEqual([
      'hugetlb.2MB.limit_in_bytes=4194304',
      'hugetlb.2MB.rsvd.limit_in_bytes=4194304',
    ]);
    expect(written(v2.hugetlb.settings('1GB', Number.POSITIVE_INFINITY))).toEqual([
      'hugetlb.1GB.max=max',
      'hugetlb.1GB.rsvd.max=max',
    ]);
  });

  it('are counted', () => {
    const on1 = files({
      'hugetlb.2MB.limit_in_bytes': '9223372036854771712\n',
      'hugetlb.2MB.usage_in_bytes': '2097152\n',
      'hugetlb.2MB.max_usage_in_bytes': '4194304\n',
      'hugetlb.2MB.failcnt': '1\n',
      'hugetlb.2MB.rsvd.failcnt': '2\n',
    });
    expect(v1.hugetlb.usage('2MB', on1)).toEqual({ current: 2_097_152, peak: 4_194_304, refusals: 3 });
    const on2 = files({
      'hugetlb.2MB.max': '2097152\n',
      'hugetlb.2MB.current': '0\n',
      'hugetlb.2MB.events': 'max 5\n',
    });
    expect(v2.hugetlb.usage('2MB', on2)).toEqual({ current: 0, limit: 2_097_152, refusals: 5 });
  });
});

describe('pressure', () => {
  const some = 'some avg10=1.50 avg60=0.25 avg300=0.00 total=1234\n';
  const figures = { avg10: 1.5, avg60: 0.25, avg300: 0, total: 1_234_000 };

  it('is in percent and nanoseconds; of the CPU an older kernel has no full', () => {
    expect(pressureIn(files({ a: `${some}${some.replace('some', 'full')}` }), 'a')).toEqual({
      some: figures,
      full: figures,
    });
    expect(pressureIn(files({ a: some }), 'a')).toEqual({ some: figures });
  });

  it('is absent where nobody counts it', () => {
    expect(pressureIn(files({}), 'a')).toBeUndefined();
    expect(pressureIn(files({ a: '' }), 'a')).toBeUndefined();
  });
});

describe('limits on CPUs in use', () => {
  const names = { burst: 'cpu.max.burst', weight: 'cpu.weight' };
  const quota = { file: 'cpu.max', value: '5000 100000' };
  const burst = (value: string) => ({ file: 'cpu.max.burst', value });

  it('are changed without the burst ever being above the quota', () => {
    const held = files({ 'cpu.max.burst': '10000\n' });
    expect(written(cpuTransition([quota, burst('0')], held, names))).toEqual([
      'cpu.max.burst=0',
      'cpu.max=5000 100000',
      'cpu.max.burst=0',
    ]);
    expect(written(cpuTransition([quota], held, names)).at(-1)).toBe('cpu.max.burst=10000');
    expect(written(cpuTransition([burst('4'), quota], files({ 'cpu.max.burst': '0\n' }), names))).toEqual([
      'cpu.max=5000 100000',
      'cpu.max.burst=4',
    ]);
  });

  it('give no weight to what is idle', () => {
    const weight = { file: 'cpu.weight', value: '100' };
    const idle = (value: string) => ({ file: 'cpu.idle', value });
    expect(written(cpuTransition([idle('1'), weight], files({}), names))).toEqual(['cpu.idle=1']);
    expect(written(cpuTransition([weight], files({ 'cpu.idle': '1\n' }), names))).toEqual([]);
    expect(written(cpuTransition([idle('0'), weight], files({ 'cpu.idle': '1\n' }), names))).toEqual([
      'cpu.idle=0',
      'cpu.weight=100',
    ]);
  });
});

describe('a controller that the host does not have', () => {
  const hosts = [
    { version: 'v1', mounts: new Map([['cpu', '/c/cpu']]) },
    { version: 'v2', mounts: new Map([['unified', '/c']]) },
  ] as const;
  const asks: readonly [string, Resources, ReadonlySet<string>][] = [
    ['cgroups/blkio', { io: { weight: 10 } }, new Set(['v1'])],
    ['cgroups/cpuset', { cpuset: { cpus: '0' } }, new Set(['v1'])],
    ['cgroups/net_cls', { network: { classId: 1 } }, new Set(['v1', 'v2'])],
    ['cgroups/net_prio', { network: { priorities: { lo: 1 } } }, new Set(['v1', 'v2'])],
    ['cgroups/perf_event', { perfEvent: true }, new Set(['v1'])],
    ['cgroups/mem', { limits: { memoryHigh: 2 ** 24 } }, new Set(['v1'])],
  ];
  const cases = asks.flatMap(([name, resources, versions]) =>
    hosts.filter(({ version }) => versions.has(version)).map((host) => ({ name, resources, host, on: host.version })),
  );

  it.each(cases)('is refused by $name on $on', async ({ name, resources, host }) => {
    const isolator = createIsolators({ cgroups: host }).find((candidate) => candidate.name === name);
    await expect(isolator?.edits(contextOf({ resources }))).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringMatching(new RegExp(`^${name}: .*; `)),
      details: { isolator: name },
    });
    // What asks for nothing of it goes without.
    if (name !== 'cgroups/mem') expect(await isolator?.edits(contextOf({}))).toEqual({});
  });
});
