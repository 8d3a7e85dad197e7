import type { OciMount } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { compilePlan } from '../src/index.js';
import { request } from './support/document.js';

const compiled = (...mounts: OciMount[]) =>
  compilePlan(
    request((config) => {
      config.mounts = mounts;
    }),
  ).steps;

const first = (mount: OciMount) => compiled(mount).find(({ op }) => op === 'mount' || op === 'bind');

const propagation = (...mounts: OciMount[]) => compiled(...mounts).find(({ op }) => op === 'setPropagation');

const refusal = (options: string[], rest: Partial<OciMount> = { type: 'tmpfs' }) => {
  try {
    first({ destination: '/m', ...rest, options });
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('a mount of a new file system', () => {
  it('turns flags into MS_ bits and the rest into data', () => {
    expect(
      first({ destination: '/tmp', type: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'mode=1777', 'size=64k'] }),
    ).toEqual({
      op: 'mount',
      type: 'tmpfs',
      source: 'tmpfs',
      target: '/tmp',
      flags: 0x2 | 0x4 | 0x8,
      data: 'mode=1777,size=64k',
    });
  });

  it.each([
    [['ro', 'rw'], 0],
    [['rw', 'ro'], 1],
    [['nosuid', 'suid', 'nodev'], 4],
    [['relatime', 'strictatime'], 0x1000000],
    [['strictatime', 'noatime'], 0x400],
    [['noatime', 'atime'], 0],
    [['relatime'], 0x200000],
    [['sync', 'dirsync', 'lazytime', 'nodiratime', 'silent'], 0x10 | 0x80 | 0x2000000 | 0x800 | 0x8000],
    [['defaults', 'nomand'], 0],
    [['rro'], 1],
  ])('gives the last of two opposites the word: %j', (options, flags) => {
    expect(first({ destination: '/m', type: 'tmpfs', options })).toMatchObject({ flags, data: '' });
  });

  it('knows cgroup as the one file system of version 2 only', () => {
    const edit = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup' };
    const v2 = compilePlan(request((config) => config.mounts.splice(0, 3, edit), { cgroupVersion: 'v2' })).steps;
    expect(v2.find(({ op }) => op === 'mount')).toMatchObject({ type: 'cgroup2', source: 'cgroup' });
    expect(() => first(edit)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });
});

describe('a bind', () => {
  it('turns flags into MOUNT_ATTR_ bits', () => {
    const options = ['rbind', 'ro', 'nosuid', 'nodev', 'noexec', 'nosymfollow', 'rprivate'];
    expect(first({ destination: '/data', source: '/srv/data', options })).toEqual({
      op: 'bind',
      source: '/srv/data',
      target: '/data',
      recursive: 1,
      attributes: 0x1 | 0x2 | 0x4 | 0x8 | 0x200000,
    });
    expect(first({ destination: '/data', type: 'bind', source: '/srv/data' })).toMatchObject({
      recursive: 0,
      attributes: 0,
    });
    expect(first({ destination: '/d', source: '/d', options: ['bind', 'noatime', 'strictatime'] })).toMatchObject({
      attributes: 0x20,
    });
  });

  it('decides the propagation of the tree that it is cloned from', () => {
    const bind = (...options: string[]): OciMount => ({
      destination: '/d',
      source: '/d',
      options: ['rbind', ...options],
    });
    expect(propagation(bind())).toEqual({ op: 'setPropagation', flags: 0x44000 });
    expect(propagation(bind('rprivate'))).toEqual({ op: 'setPropagation', flags: 0x44000 });
    expect(propagation(bind('rslave'), bind())).toEqual({ op: 'setPropagation', flags: 0x84000 });
    expect(() => propagation(bind('rslave'), bind('private'))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', details: { field: 'mounts[1].options' } }),
    );
  });
});

describe('what no step carries out', () => {
  it.each(['shared', 'rshared', 'unbindable', 'remount', 'tmpcopyup', 'idmap', 'mand'])('refuses %s', (option) => {
    expect(refusal(['nosuid', option])).toMatchObject({ code: 'UNSUPPORTED', details: { field: 'mounts[0].options' } });
  });

  it.each(['size=1k', 'sync', 'relatime', 'lazytime'])('refuses %s on a bind', (option) => {
    expect(refusal(['bind', option], { source: '/s' })).toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('refuses mounts that the specification does not allow', () => {
    expect(refusal([], {})).toMatchObject({ code: 'INVALID_DOCUMENT', details: { path: 'mounts[0].type' } });
    expect(refusal(['bind'], {})).toMatchObject({ code: 'INVALID_DOCUMENT', details: { path: 'mounts[0].source' } });
    expect(refusal(['bind'], { source: 'here' })).toMatchObject({ details: { path: 'mounts[0].source' } });
    expect(refusal([], { type: 'tmpfs', destination: 'm' })).toMatchObject({
      details: { path: 'mounts[0].destination' },
    });
  });
});
