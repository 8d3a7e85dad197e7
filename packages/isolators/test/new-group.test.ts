import { describe, expect, it } from 'vitest';
import { createCgroups } from '../src/cgroups/create-cgroups.js';
import { allowedDevices, standardDeviceRules } from '../src/cgroups/device-rules.js';
import { settingLimits } from '../src/cgroups/setting-limits.js';

const names = ['cpu', 'cpuacct', 'memory', 'pids', 'devices', 'cpuset'];
const cgroups = createCgroups({ version: 'v1', mounts: new Map(names.map((name) => [name, `/cg/${name}`])) });

describe('the calls that make a group on v1', () => {
  it('are one for each hierarchy of its controller, and none where there is more to it', () => {
    expect(cgroups.making('cpu', '/gantry/a', 'x')).toEqual([
      ['make', '/cg/cpu/gantry/a'],
      ['make', '/cg/cpuacct/gantry/a'],
    ]);
    expect(cgroups.making('cpuset', '/gantry/a', 'x')).toBeUndefined();
    expect(() => cgroups.making('hugetlb', '/gantry/a', 'x')).toThrow(/not mounted/);
  });

  it('set what is asked for and read it back, rounded to pages at most', () => {
    const settings = cgroups.memory.settings({ limit: 8_388_609 });
    const { calls, holds } = settingLimits(cgroups, '/gantry/a', settings);
    expect(calls).toEqual([
      ['set', '/cg/memory/gantry/a/memory.limit_in_bytes', '8388609'],
      ['try', '/cg/memory/gantry/a/memory.memsw.limit_in_bytes', '8388609'],
    ]);
    expect(holds(['8388608\n', '8388608\n'])).toBe(true);
    expect(holds(['8388608\n', null])).toBe(true);
    expect(holds(['8388608\n', '9223372036854771712\n'])).toBe(false);
    expect(holds(['4194304\n', null])).toBe(false);
    expect(holds([null, null])).toBe(false);
  });

  it('allow the devices that are asked for and no others', () => {
    const allowed = allowedDevices(standardDeviceRules, 'x').slice(0, 2);
    const restriction = cgroups.devices.restriction?.('/gantry/a', allowed);
    expect(restriction?.calls.map(([kind, path]) => `${kind} ${path}`)).toEqual([
      'write /cg/devices/gantry/a/devices.deny',
      'write /cg/devices/gantry/a/devices.allow',
      'read /cg/devices/gantry/a/devices.list',
    ]);
    const [one = '', other = ''] = restriction?.calls[1]?.slice(2) ?? [];
    expect(restriction?.holds([`${other}\n${one}\n`])).toBe(true);
    expect(restriction?.holds([`${one}\n`])).toBe(false);
    expect(restriction?.holds([`${one}\n${other}\na *:* rwm\n`])).toBe(false);
  });
});
