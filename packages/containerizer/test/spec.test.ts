import { type ContainerSpec, isGantryError } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { parseSignal } from '../src/signals.js';
import { checkSpec, sameSpec, withoutCredentials } from '../src/spec.js';

function fieldRefused(spec: unknown): unknown {
  try {
    checkSpec(spec as ContainerSpec);
  } catch (error) {
    if (isGantryError(error, 'INVALID_ARGUMENT')) return error.details['field'];
    throw error;
  }
  throw new Error('the spec was taken');
}

const network = (capabilities: object) => ({ image: 'a', networks: [{ name: 'default', capabilities }] });
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe('checkSpec', () => {
  it('gives a random id and a copy', () => {
    const env = { A: '1' };
    const checked = checkSpec({ image: 'busybox', env });
    env.A = '2';
    expect(checked.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(checked.env).toEqual({ A: '1' });
  });

  it.each([
    [{}, 'spec.image'],
    [{ image: 'a', rootfs: '/r' }, 'spec.image'],
    [{ image: 'a', id: '../x' }, 'spec.id'],
    [{ image: 'a', id: 'x'.repeat(65) }, 'spec.id'],
    [{ image: 'a', comand: ['ls'] }, 'spec.comand'],
    [{ image: 'a', command: [] }, 'spec.command'],
    [{ image: 'a', command: ['a\0b'] }, 'spec.command[0]'],
    [{ image: 'a', workingDir: 'relative' }, 'spec.workingDir'],
    [{ image: 'a', env: { 'A=B': '1' } }, "spec.env name 'A=B'"],
    [{ image: 'a', resources: { limits: { memory: 1.5 } } }, 'spec.resources.limits.memory'],
    [{ image: 'a', resources: { limits: { cpus: -1 } } }, 'spec.resources.limits.cpus'],
    [{ image: 'a', mounts: [{ type: 'bind', source: '/a' }] }, 'spec.mounts[0].target'],
    [{ image: 'a', mounts: [{ type: 'nfs' }] }, 'spec.mounts[0].type'],
    [{ image: 'a', command: Object.assign([], { 1: 'ls' }) }, 'spec.command[0]'],
    [{ image: 'a', network: 'bridge' }, 'spec.network'],
    [network({ mac: () => 'a' }), 'spec.networks[0].capabilities.mac'],
    [network({ vlan: { id: 5n } }), 'spec.networks[0].capabilities.vlan.id'],
    [network({ vlans: [Number.NaN] }), 'spec.networks[0].capabilities.vlans[0]'],
    [network({ date: new Date(0) }), 'spec.networks[0].capabilities.date'],
    [network({ deep: nested(40) }), `spec.networks[0].capabilities.deep${'[0]'.repeat(32)}`],
    [{ image: 'a', seccomp: { defaultAction: 'SCMP_ACT_ALLOW', flags: () => [] } }, 'spec.seccomp.flags'],
    [{ image: 'a', oomScoreAdj: 1001 }, 'spec.oomScoreAdj'],
    [{ image: 'a', landlock: {} }, 'spec.landlock'],
    [{ image: 'a', landlock: { scopes: [] } }, 'spec.landlock'],
    [{ image: 'a', landlock: { paths: [{ path: 'data', allow: ['read'] }] } }, 'spec.landlock.paths[0].path'],
    [{ image: 'a', landlock: { paths: [{ path: '/data', allow: [] }] } }, 'spec.landlock.paths[0].allow'],
    [{ image: 'a', landlock: { paths: [{ path: '/data', allow: ['all'] }] } }, 'spec.landlock.paths[0].allow[0]'],
    [{ image: 'a', landlock: { tcp: { bind: [65_536] } } }, 'spec.landlock.tcp.bind[0]'],
    [{ image: 'a', landlock: { tcp: { connect: [0] } } }, 'spec.landlock.tcp.connect[0]'],
    [{ sandbox: true, landlock: { paths: [] } }, 'spec.landlock'],
    [{ image: 'a', stopSignal: 'SIGNOPE' }, 'spec.stopSignal'],
    [JSON.parse('{"image":"a","__proto__":{"x":1}}'), 'spec.__proto__'],
  ])('refuses %o, naming %s', (spec, field) => {
    expect(fieldRefused(spec)).toBe(field);
  });

  it('takes for a capability of a network what JSON can hold', () => {
    const capabilities = { list: [1, 'two', null, true], object: { deep: nested(30) }, left: undefined };
    expect(checkSpec(network(capabilities) as ContainerSpec).networks?.[0]?.capabilities).toEqual(capabilities);
  });

  it('takes no limit on processes', () => {
    expect(
      checkSpec({ image: 'a', resources: { limits: { pids: Number.POSITIVE_INFINITY } } }).resources?.limits?.pids,
    ).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('sameSpec', () => {
  it('ignores the order of keys and the credentials', () => {
    const a = checkSpec({ id: 'a', image: 'x', pull: { force: true, credentials: { password: 'p' } } });
    const b = checkSpec({ pull: { force: true }, image: 'x', id: 'a' });
    expect(sameSpec(a, b)).toBe(true);
    expect(sameSpec(a, checkSpec({ id: 'a', image: 'y', pull: { force: true } }))).toBe(false);
  });

  it('keeps credentials out of what is written', () => {
    const spec = checkSpec({ image: 'x', pull: { credentials: { username: 'u', password: 'secret' } } });
    expect(JSON.stringify(withoutCredentials(spec))).not.toContain('secret');
  });
});

describe('parseSignal', () => {
  it.each([
    ['SIGTERM', 15],
    ['term', 15],
    ['9', 9],
    [9, 9],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
  ])('reads %s as %i', (text, number) => {
    expect(parseSignal(text)).toBe(number);
  });

  it.each(['', '0', '65', 'SIGFOO', '-1', 'RTMIN+40', '1.5'])('refuses %j', (text) => {
    expect(() => parseSignal(text)).toThrow(/not a signal/);
  });
});
