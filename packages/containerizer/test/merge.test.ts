import { type IsolatorEdits, isGantryError } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { mergeEdits } from '../src/merge.js';

const target = { rootfs: '/r', cgroupPath: '/gantry/c1' };
const runs = { isolator: 'docker/runtime', edits: { args: ['/bin/true'] } };

function merge(...all: { isolator: string; edits: IsolatorEdits }[]) {
  return mergeEdits([runs, ...all], target);
}

function conflictOf(run: () => unknown): readonly unknown[] {
  try {
    run();
  } catch (error) {
    if (isGantryError(error, 'CONFLICT')) return error.details['isolators'] as unknown[];
    throw error;
  }
  throw new Error('there was no conflict');
}

describe('mergeEdits', () => {
  it('keeps lists in isolator order and counts what two set alike once', () => {
    const proc = { destination: '/proc', type: 'proc', source: 'proc' };
    const tmp = { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' };
    const { config } = merge(
      { isolator: 'a', edits: { mounts: [proc] } },
      { isolator: 'b', edits: { mounts: [tmp, proc] } },
    );
    expect(config.mounts).toEqual([proc, tmp]);
  });

  it.each([
    ['a scalar', { cwd: '/a' }, { cwd: '/b' }],
    ['a variable', { env: { A: '1' } }, { env: { A: '2' } }],
    ['a mount', { mounts: [{ destination: '/x', source: 'a' }] }, { mounts: [{ destination: '/x', source: 'b' }] }],
    ['a namespace', { namespaces: [{ type: 'pid' as const }] }, { namespaces: [{ type: 'pid' as const, path: '/p' }] }],
    ['a resource', { resources: { memory: { limit: 1 } } }, { resources: { memory: { limit: 2 } } }],
    ['a sysctl', { sysctl: { 'net.a': '1' } }, { sysctl: { 'net.a': '2' } }],
  ])('names both isolators when they differ on %s', (_, first: IsolatorEdits, second: IsolatorEdits) => {
    const run = () => merge({ isolator: 'one', edits: first }, { isolator: 'two', edits: second });
    expect(conflictOf(run)).toEqual(['one', 'two']);
  });

  it('lets two isolators fill different fields of one resource', () => {
    const { config } = merge(
      { isolator: 'a', edits: { resources: { memory: { limit: 5 } } } },
      { isolator: 'b', edits: { resources: { memory: { swap: 6 }, pids: { limit: 7 } } } },
    );
    expect(config.linux.resources).toEqual({ memory: { limit: 5, swap: 6 }, pids: { limit: 7 } });
  });

  it('puts lists of resources one after the other, in isolator order', () => {
    const none = { allow: false, access: 'rwm' };
    const fuse = { allow: true, type: 'c' as const, major: 10, minor: 229, access: 'rwm' };
    const { config } = merge(
      { isolator: 'a', edits: { resources: { devices: [none], hugepageLimits: [{ pageSize: '2MB', limit: 0 }] } } },
      { isolator: 'b', edits: { resources: { devices: [fuse] } } },
    );
    expect(config.linux.resources).toEqual({
      devices: [none, fuse],
      hugepageLimits: [{ pageSize: '2MB', limit: 0 }],
    });
  });

  it('tells the launcher which rlimits are only defaults, and joins a control group once', () => {
    const merged = merge(
      {
        isolator: 'posix/rlimits',
        edits: {
          rlimits: [
            { type: 'RLIMIT_NOFILE', soft: 1, hard: 2, origin: 'default' },
            { type: 'RLIMIT_CORE', soft: 0, hard: 0, origin: 'request' },
          ],
        },
      },
      { isolator: 'a', edits: { cgroups: ['/sys/fs/cgroup/gantry/c1'] } },
      { isolator: 'b', edits: { cgroups: ['/sys/fs/cgroup/gantry/c1'] } },
    );
    expect(merged.clampedRlimits).toEqual(['RLIMIT_NOFILE']);
    expect(merged.config.process.rlimits).toContainEqual({ type: 'RLIMIT_CORE', soft: 0, hard: 0 });
    expect(merged.cgroups).toEqual(['/sys/fs/cgroup/gantry/c1']);
  });

  it('takes a variable’s default only where nobody sets it, in the order of the defaults', () => {
    const { config } = merge(
      { isolator: 'a', edits: { defaultEnv: { PATH: '/bin', A: 'image', B: 'image' } } },
      { isolator: 'b', edits: { env: { C: 'set', A: 'set' } } },
    );
    expect(config.process.env).toEqual(['PATH=/bin', 'A=set', 'B=image', 'C=set']);
    const run = () =>
      merge(
        { isolator: 'one', edits: { defaultEnv: { A: '1' } } },
        { isolator: 'two', edits: { defaultEnv: { A: '2' } } },
      );
    expect(conflictOf(run)).toEqual(['one', 'two']);
  });

  it('adds groups to those of the user, and hooks to each other', () => {
    const hook = (path: string) => ({ createContainer: [{ path }] });
    const { config } = merge(
      { isolator: 'a', edits: { user: { uid: 1, gid: 2, additionalGids: [2, 3] }, hooks: hook('/one') } },
      {
        isolator: 'b',
        edits: { additionalGids: [3, 4], hooks: { ...hook('/two'), startContainer: [{ path: '/three' }] } },
      },
      { isolator: 'c', edits: { additionalGids: [5], hooks: {} } },
    );
    expect(config.process.user).toEqual({ uid: 1, gid: 2, additionalGids: [2, 3, 4, 5] });
    expect(config.hooks).toEqual({
      createContainer: [{ path: '/one' }, { path: '/two' }],
      startContainer: [{ path: '/three' }],
    });
    expect(merge({ isolator: 'c', edits: { hooks: {} } }).config).not.toHaveProperty('hooks');
  });

  it('refuses a document with nothing to run', () => {
    expect(() => mergeEdits([{ isolator: 'a', edits: {} }], target)).toThrow(/nothing to run/);
  });
});
