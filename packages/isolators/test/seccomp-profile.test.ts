import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Facts } from '../src/linux/seccomp/facts.js';
import { readProfileFile } from '../src/linux/seccomp/file.js';
import { toOciSeccomp } from '../src/linux/seccomp/profile.js';

const facts: Facts = {
  architecture: 'amd64',
  kernel: { major: 5, minor: 10 },
  capabilities: new Set(['CAP_CHOWN', 'CAP_KILL']),
};
const allow = 'SCMP_ACT_ALLOW';
const read = (profile: object, given = facts) => toOciSeccomp({ defaultAction: allow, ...profile }, given, 'profile');
const names = (rule: object, given = facts) =>
  read({ syscalls: [{ names: ['read'], action: allow, ...rule }] }, given).syscalls?.length === 1;

describe('a rule of a seccomp profile', () => {
  it.each([
    [{}, true],
    [{ includes: {}, excludes: {} }, true],
    [{ includes: null, excludes: null, args: null, comment: null }, true],
    [{ includes: { caps: ['CAP_CHOWN'] } }, true],
    [{ includes: { caps: ['CAP_CHOWN', 'CAP_KILL'] } }, true],
    [{ includes: { caps: ['CAP_CHOWN', 'CAP_BPF'] } }, false],
    [{ excludes: { caps: ['CAP_CHOWN', 'CAP_BPF'] } }, false],
    [{ excludes: { caps: ['CAP_BPF'] } }, true],
    [{ includes: { arches: ['arm64', 'amd64'] } }, true],
    [{ includes: { arches: ['arm64'] } }, false],
    [{ excludes: { arches: ['amd64'] } }, false],
    [{ includes: { minKernel: '5.10' } }, true],
    [{ includes: { minKernel: '5.9' } }, true],
    [{ includes: { minKernel: '4.20' } }, true],
    [{ includes: { minKernel: '5.11' } }, false],
    [{ includes: { minKernel: '6.1' } }, false],
    [{ excludes: { minKernel: '5.10' } }, false],
    [{ includes: { caps: ['CAP_CHOWN'], minKernel: '6.1' } }, false],
  ])('with %j counts: %s', (rule, counts) => {
    expect(names(rule)).toBe(counts);
  });

  it('may name its call, and its errno, in the old way', () => {
    const rule = { name: 'read', action: 'SCMP_ACT_ERRNO', errno: 'EPERM', errnoRet: 1 };
    expect(read({ syscalls: [rule], defaultErrno: 'ENOSYS' })).toEqual({
      defaultAction: allow,
      defaultErrnoRet: 38,
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }],
    });
  });
});

describe('a seccomp profile', () => {
  it('is for the architectures of the host’s own of its map', () => {
    const archMap = [
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: null },
    ];
    expect(read({ archMap }).architectures).toEqual(['SCMP_ARCH_X86_64']);
    const arm = read({ archMap }, { ...facts, architecture: 'arm64' });
    expect(arm.architectures).toEqual(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
    expect(read({}).architectures).toBeUndefined();
  });

  it.each([
    [{ defaultAction: '' }, 'profile.defaultAction'],
    [{ listenerPath: 'notify' }, 'profile.listenerPath'],
    [{ listenerMetadata: 'mine' }, 'profile.listenerMetadata'],
    [{ sysCalls: [] }, 'profile.sysCalls'],
    [{ architectures: ['SCMP_ARCH_X86'], archMap: [{ architecture: 'SCMP_ARCH_X86_64' }] }, 'profile.archMap'],
    [{ syscalls: {} }, 'profile.syscalls'],
    [{ syscalls: [{ action: allow }] }, 'profile.syscalls[0].names'],
    [{ syscalls: [{ name: 'read', names: ['write'], action: allow }] }, 'profile.syscalls[0].name'],
    [{ syscalls: [{ names: ['read'] }] }, 'profile.syscalls[0].action'],
    [{ syscalls: [{ names: ['read'], action: allow, errno: 'EWHAT' }] }, 'profile.syscalls[0].errno'],
    [{ syscalls: [{ names: ['read'], action: allow, errno: 'toString' }] }, 'profile.syscalls[0].errno'],
    [{ syscalls: [{ names: ['read'], action: allow, errno: 'EPERM', errnoRet: 2 }] }, 'profile.syscalls[0].errno'],
    [{ syscalls: [{ names: ['read'], action: allow, includes: { cap: [] } }] }, 'profile.syscalls[0].includes.cap'],
    [
      { syscalls: [{ names: ['read'], action: allow, includes: { minKernel: 'new' } }] },
      'profile.syscalls[0].includes.minKernel',
    ],
    [
      { syscalls: [{ names: ['read'], action: allow, args: [{ index: 0.5, value: 0, op: 'SCMP_CMP_EQ' }] }] },
      'profile.syscalls[0].args[0].index',
    ],
  ])('%j is refused, naming %s', (profile, field) => {
    expect(() => read(profile)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field } }));
  });
});

describe('the file of a seccomp profile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-seccomp-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (content: string) => {
    const path = join(folder, 'profile.json');
    writeFileSync(path, content);
    return path;
  };

  it('is JSON, which may have brackets in its strings', async () => {
    const comment = `${'['.repeat(100)}\\"${'{'.repeat(100)}`;
    expect(await readProfileFile(file(JSON.stringify({ comment })))).toEqual({ comment });
    expect(await readProfileFile(file(`${'['.repeat(16)}${']'.repeat(16)}`))).toBeDefined();
  });

  it.each([
    ['no JSON', '{', 'it is not JSON'],
    ['nested too deep', `${'['.repeat(17)}${']'.repeat(17)}`, 'nested deeper than 16'],
    ['too large', `"${' '.repeat(2 ** 20)}"`, 'more than 1048576 bytes'],
  ])('is refused if it is %s', async (_, content, message) => {
    const path = file(content);
    await expect(readProfileFile(path)).rejects.toMatchObject({
      code: 'INVALID_DOCUMENT',
      message: expect.stringContaining(message) as string,
      details: { path },
    });
  });

  it('is not waited for where it is a pipe, and has to be there', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(readProfileFile(pipe)).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
    await expect(readProfileFile(join(folder, 'absent'))).rejects.toMatchObject({ code: 'SYSTEM' });
  });
});
