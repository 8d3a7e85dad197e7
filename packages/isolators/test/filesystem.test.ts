import { existsSync } from 'node:fs';
import type { CgroupLayout, ContainerMount } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { filesystemLinux } from '../src/filesystem/linux.js';
import { checkedTargets } from '../src/filesystem/spec-targets.js';
import { hostnameOf } from '../src/hostname.js';
import { contextOf } from './context.js';

const v1: CgroupLayout = { version: 'v1', mounts: new Map() };
const v2: CgroupLayout = { version: 'v2', mounts: new Map([['unified', '/sys/fs/cgroup']]) };
const refused = expect.objectContaining({ code: 'REFUSED' });
const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
const tmpfs = (target: string): ContainerMount => ({ type: 'tmpfs', target });

describe('filesystem/linux', () => {
  it("mounts the kernel's file systems, each after what it lies in", async () => {
    const { mounts = [], devices = [] } = await filesystemLinux({ cgroups: v2 }).edits(contextOf({}));
    const targets = mounts.map((mount) => mount.destination);
    expect(targets).toEqual(['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue', '/sys', '/sys/fs/cgroup']);
    expect(devices.map((device) => device.path.slice('/dev/'.length)).sort()).toEqual([
      'full',
      'null',
      'random',
      'tty',
      'urandom',
      'zero',
    ]);
  });

  it('shows no control groups on v1, and only to read on v2', async () => {
    const on1 = await filesystemLinux({ cgroups: v1 }).edits(contextOf({}));
    expect(on1.mounts?.some((mount) => mount.destination.startsWith('/sys/fs'))).toBe(false);
    const on2 = await filesystemLinux({ cgroups: v2 }).edits(contextOf({}));
    expect(on2.mounts?.find((mount) => mount.type === 'cgroup2')?.options).toContain('ro');
  });

  it('hides what the whole machine shares', async () => {
    const { maskedPaths, readonlyPaths } = await filesystemLinux({ cgroups: v2 }).edits(contextOf({}));
    expect(maskedPaths).toEqual(expect.arrayContaining(['/proc/kcore', '/proc/keys', '/sys/firmware']));
    expect(readonlyPaths).toEqual(expect.arrayContaining(['/proc/sys', '/proc/sysrq-trigger']));
  });

  it("brings the host's name service files to the host network only, unless the spec brings its own", async () => {
    const isolator = filesystemLinux({ cgroups: v2 });
    const ofEtc = async (spec: Parameters<typeof contextOf>[0]) =>
      ((await isolator.edits(contextOf(spec))).mounts ?? []).filter((mount) => mount.destination.startsWith('/etc/'));
    expect(await ofEtc({})).toEqual([]);
    const brought = await ofEtc({ network: 'host' });
    const present = ['/etc/hosts', '/etc/resolv.conf'].filter((path) => existsSync(path));
    expect(brought.map((mount) => mount.destination)).toEqual(present);
    for (const mount of brought) expect(mount.options).toContain('ro');
    const mounts = [{ type: 'bind', source: '/etc/passwd', target: '/etc/hosts' } as const];
    const own = await ofEtc({ network: 'host', mounts });
    expect(own.map((mount) => mount.destination)).not.toContain('/etc/hosts');
  });

  it('leaves /dev/shm to the spec that mounts something there, and gives it the size asked for', async () => {
    const shmOf = async (spec: Parameters<typeof contextOf>[0]) => {
      const { mounts = [] } = await filesystemLinux({ cgroups: v2 }).edits(contextOf(spec));
      return mounts.filter((mount) => mount.destination === '/dev/shm');
    };
    expect(await shmOf({ mounts: [tmpfs('/dev/shm/')] })).toEqual([]);
    const [sized] = await shmOf({ shmSize: 1 << 20 });
    expect(sized?.options?.filter((option) => option.startsWith('size='))).toEqual(['size=1048576']);
    expect((await shmOf({}))[0]?.options).toContain('size=65536k');
  });

  it('hides and protects what the spec says in place of its own lists', async () => {
    const spec = { maskedPaths: ['/a'], readonlyPaths: [] };
    const { maskedPaths, readonlyPaths } = await filesystemLinux({ cgroups: v2 }).edits(contextOf(spec));
    expect({ maskedPaths, readonlyPaths }).toEqual({ maskedPaths: ['/a'], readonlyPaths: [] });
  });

  it.each(['/proc', '/proc/../proc', '/sys/x', '/', '/dev', 'data', '/a/../../etc', '/a\0b'])(
    'refuses an image that declares the volume %j',
    async (volume) => {
      const context = contextOf({}, { image: { volumes: ['/data', volume] } });
      await expect(filesystemLinux({ cgroups: v2 }).edits(context)).rejects.toThrow(refused);
    },
  );
});

describe('targets of a spec', () => {
  it('are normal', () => {
    expect(checkedTargets([tmpfs('/a/b/'), tmpfs('//a'), tmpfs('/a/./c')])).toEqual(['/a/b', '/a', '/a/c']);
  });

  it.each(['/', '/proc', '/proc/', '/proc/sys/kernel', '/sys/fs', '/dev', '/dev/pts', '//dev/./pts'])(
    'are refused at %s',
    (target) => {
      expect(() => checkedTargets([tmpfs(target)])).toThrow(refused);
    },
  );

  it.each(['relative', '/a/../proc', '', '/a\0'])('are invalid at %j', (target) => {
    expect(() => checkedTargets([tmpfs(target)])).toThrow(invalid);
  });

  it('are invalid twice at one place', () => {
    expect(() => checkedTargets([tmpfs('/x'), tmpfs('/x/')])).toThrow(invalid);
  });
});

describe('hostnameOf', () => {
  it("is the spec's, else the first 12 characters of the id", () => {
    expect(hostnameOf(contextOf({ hostname: 'web-1.example' }))).toBe('web-1.example');
    expect(hostnameOf(contextOf({}, { id: '0123456789abcdef' }))).toBe('0123456789ab');
  });

  it.each(['a b', '-a', 'a.', 'a\nb', 'x'.repeat(65), ''])('refuses %j', (hostname) => {
    expect(() => hostnameOf(contextOf({ hostname }))).toThrow(invalid);
  });
});
