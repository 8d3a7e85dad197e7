import { existsSync } from 'node:fs';
import type { CgroupLayout, ContainerMount } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { filesystemLinux } from '../src/filesystem/linux.js';
import { specMounts } from '../src/filesystem/spec-mounts.js';
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
    expect(own.filter((mount) => mount.destination === '/etc/hosts')).toMatchObject([{ source: '/etc/passwd' }]);
  });

  it('lets the spec replace /dev/shm', async () => {
    const mounts: ContainerMount[] = [{ type: 'tmpfs', target: '/dev/shm', size: 1 << 20 }];
    const edits = await filesystemLinux({ cgroups: v2 }).edits(contextOf({ mounts }));
    const shm = edits.mounts?.filter((mount) => mount.destination === '/dev/shm');
    expect(shm).toMatchObject([{ options: expect.arrayContaining(['size=1048576']) }]);
  });

  it.each(['/proc', '/proc/../proc', '/sys/x', '/', '/dev', 'data', '/a/../../etc', '/a\0b'])(
    'refuses an image that declares the volume %j',
    async (volume) => {
      const context = contextOf({}, { image: { volumes: ['/data', volume] } });
      await expect(filesystemLinux({ cgroups: v2 }).edits(context)).rejects.toThrow(refused);
    },
  );
});

describe('mounts of a spec', () => {
  it('become OCI mounts, parents first', async () => {
    const mounts: ContainerMount[] = [
      { type: 'tmpfs', target: '/a/b/', mode: 0o700, size: 4096 },
      { type: 'bind', source: '/etc', target: '//a', readonly: true },
    ];
    expect(await specMounts(mounts)).toEqual([
      { destination: '/a', type: 'bind', source: '/etc', options: ['rbind', 'rprivate', 'nodev', 'ro'] },
      {
        destination: '/a/b',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'nodev', 'mode=0700', 'size=4096'],
      },
    ]);
  });

  it('say which source is missing', async () => {
    const mounts: ContainerMount[] = [{ type: 'bind', source: '/nonexistent/source', target: '/x' }];
    await expect(specMounts(mounts)).rejects.toThrow(refused);
    await expect(specMounts(mounts)).rejects.toThrow('/nonexistent/source');
  });

  it.each(['/', '/proc', '/proc/', '/proc/sys/kernel', '/sys/fs', '/dev', '/dev/pts', '//dev/./pts'])(
    'are refused at %s',
    async (target) => {
      await expect(specMounts([tmpfs(target)])).rejects.toThrow(refused);
    },
  );

  it.each(['relative', '/a/../proc', '', '/a\0'])('are invalid at %j', async (target) => {
    await expect(specMounts([tmpfs(target)])).rejects.toThrow(invalid);
  });

  it('are invalid twice at one place', async () => {
    await expect(specMounts([tmpfs('/x'), tmpfs('/x/')])).rejects.toThrow(invalid);
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
