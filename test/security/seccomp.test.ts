import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ContainerSpec, SeccompProfile } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { buildProgram, outcomes } from './attempts.js';

const EPERM = '1';
const ENOSYS = '38';

/** What the default profile refuses with EPERM. */
const refused = [
  ...['mount', 'umount2', 'fsopen', 'open_tree', 'move_mount', 'fspick', 'mount_setattr', 'statmount', 'pivot_root'],
  ...['unshare-user', 'unshare-mount', 'setns', 'clone-user', 'clone-mount', 'clone-cgroup'],
  ...['ptrace', 'process_vm_readv', 'kcmp', 'pidfd_getfd', 'keyctl', 'add_key', 'request_key'],
  ...['clock_settime', 'settimeofday', 'bpf', 'userfaultfd', 'perf_event_open'],
  ...['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'kexec_load', 'init_module', 'finit_module'],
  ...['delete_module', 'reboot', 'swapon', 'acct', 'quotactl', 'syslog', 'sethostname', 'open_by_handle_at'],
  ...['fanotify_init', 'lookup_dcookie', 'move_pages', 'personality-no-randomize', 'personality-high-bits'],
  ...['socket-alg', 'socket-vsock', 'socket-alg-high-bits', 'socket-vsock-high-bits', 'open-block'],
];
const refusedOnX64 = ['iopl', 'ioperm', 'i386-mount', 'i386-socketcall-socket', 'i386-socket-alg', 'i386-stime'];

const allowed = ['clone', 'chroot', 'personality-get', 'socket-inet', 'socket-unix', 'socket-netlink', 'getrandom'];

requires({ root: true, commands: ['gcc'] })('the system calls of a container', () => {
  let host: TestHost;
  let folder: string;
  let program: string;
  beforeAll(async () => {
    host = await startHost();
    folder = mkdtempSync(join(tmpdir(), 'gantry-seccomp-'));
    program = buildProgram('attempts', folder);
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const attempt = async (spec: Partial<ContainerSpec>) => {
    const { stdout } = await host.run({
      command: ['/attempts'],
      mounts: [{ type: 'bind', source: program, target: '/attempts', readonly: true }],
      ...spec,
    });
    return outcomes(stdout);
  };

  it('are those of the default profile: others are refused with an errno that says so', async () => {
    const results = await attempt({});
    expect(Object.fromEntries(refused.map((name) => [name, results[name]]))).toEqual(
      Object.fromEntries(refused.map((name) => [name, EPERM])),
    );
    expect(Object.fromEntries(allowed.map((name) => [name, results[name]]))).toEqual(
      Object.fromEntries(allowed.map((name) => [name, '0'])),
    );
    // So that programs take their older way.
    expect(results).toMatchObject({ clone3: ENOSYS, newest: ENOSYS, 'minus-one': ENOSYS });
  });

  it.runIf(process.arch === 'x64')('are filtered for programs of i386 and x32 too', async () => {
    const results = await attempt({});
    expect(Object.fromEntries(refusedOnX64.map((name) => [name, results[name]]))).toEqual(
      Object.fromEntries(refusedOnX64.map((name) => [name, EPERM])),
    );
    expect(results).toMatchObject({ 'i386-getpid': '0', 'x32-getpid': 'signal 31' });
    expect(results['i386-socketcall-bind']).not.toBe(EPERM);
  });

  it('are all of the kernel without a profile', async () => {
    const results = await attempt({ seccomp: 'unconfined' });
    const stillRefused = refused.filter((name) => results[name] === EPERM);
    // For these the capabilities are enough.
    expect(stillRefused).toEqual(expect.arrayContaining(['fsopen', 'reboot', 'sethostname']));
    expect(results).toMatchObject({ ptrace: '3', 'personality-no-randomize': '0', keyctl: '0', open_tree: '0' });
    expect(refused.filter((name) => results[name] === '0')).toEqual(expect.arrayContaining(['unshare-user', 'kcmp']));
    expect(results['clone3']).not.toBe(ENOSYS);
  });

  it('grow with the capabilities of the container', async () => {
    const results = await attempt({ capabilities: { add: ['SYS_PTRACE', 'SYS_TIME'], drop: ['SYS_CHROOT'] } });
    expect(results).toMatchObject({ ptrace: '3', kcmp: '0', clock_settime: '14', chroot: EPERM, mount: EPERM });
  });

  it('make raw and packet sockets with CAP_NET_RAW only', async () => {
    const sockets = (outcome: string) => ({ 'socket-raw': outcome, 'socket-packet': outcome });
    expect(await attempt({})).toMatchObject(sockets('0'));
    for (const spec of [{ capabilities: { drop: ['NET_RAW'] } }, { user: '1000' }]) {
      expect(await attempt(spec)).toMatchObject({ ...sockets(EPERM), 'socket-inet': '0' });
    }
  });

  it('can be told by a profile in either form, inline or from a file', async () => {
    const oci: SeccompProfile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        { names: ['chroot'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
        { names: ['personality'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 0x40000, op: 'SCMP_CMP_EQ' }] },
      ],
    };
    expect(await attempt({ seccomp: oci })).toMatchObject({
      chroot: '13',
      'personality-no-randomize': EPERM,
      'personality-high-bits': '0',
      ptrace: '3',
    });
    const docker = {
      defaultAction: 'SCMP_ACT_ALLOW',
      archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] }],
      syscalls: [
        { names: ['chroot', 'no_such_call'], action: 'SCMP_ACT_ERRNO', errno: 'ENOTTY', comment: 'here' },
        { names: ['ptrace'], action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_PTRACE'] } },
        { names: ['kcmp'], action: 'SCMP_ACT_ERRNO', includes: { minKernel: '99.0' } },
      ],
    };
    const path = join(folder, 'profile.json');
    writeFileSync(path, JSON.stringify(docker));
    expect(await attempt({ seccomp: { path } })).toMatchObject({ chroot: '25', ptrace: EPERM, kcmp: '0' });
    const { plan } = await host.containerizer.plan({ image: host.image, command: ['true'], seccomp: { path } });
    expect(plan.remarks).toEqual(['linux.seccomp.syscalls: not known as system calls: no_such_call']);
  });

  it('runs a container under the profile that containers-common has', async () => {
    const path = '/usr/share/containers/seccomp.json';
    const results = await attempt({ seccomp: { path } });
    expect(results).toMatchObject({
      keyctl: '0',
      'socket-inet': '0',
      userfaultfd: EPERM,
      newest: ENOSYS,
      reboot: EPERM,
    });
  });

  it('kills by a profile that says so', async () => {
    const seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['chroot'], action: 'SCMP_ACT_KILL_PROCESS' }],
    };
    const { termination } = await host.run({ command: ['/bin/chroot', '/', '/bin/true'], seccomp });
    expect(termination.exit).toMatchObject({ type: 'signaled', signal: 'SIGSYS' });
  });

  it('are refused to processes that enter, too', async () => {
    const { id } = await host.containerizer.launch({
      image: host.image,
      command: ['/bin/sleep', '100000'],
      mounts: [{ type: 'bind', source: program, target: '/attempts', readonly: true }],
    });
    await using entered = await host.containerizer.exec(id, { command: ['/attempts'], user: '1000' });
    const results = outcomes(await text(entered.stdout));
    expect(results).toMatchObject({
      ptrace: EPERM,
      'unshare-user': EPERM,
      'clone-user': EPERM,
      clone3: ENOSYS,
      clone: '0',
    });
    await host.containerizer.destroy(id);
  });

  it.each([
    { init: true, command: ['/bin/sleep', '100000'] },
    { sandbox: true, image: undefined },
  ])('of the shim’s own program are few: %o', async (spec) => {
    const { id, pid } = await host.containerizer.launch({ image: host.image, ...spec });
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Seccomp:\s+2$/m);
    expect(status).toMatch(/^Seccomp_filters:\s+1$/m);
    const termination = await host.containerizer.stop(id);
    expect(termination.exit).toMatchObject(spec.init ? { type: 'exited', code: 143 } : { type: 'exited', code: 0 });
  });

  it('must let an init do its work', async () => {
    const seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['wait4'], action: 'SCMP_ACT_ERRNO' }] };
    await expect(host.run({ command: ['/bin/true'], init: true, seccomp })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('allow wait4'),
    });
  });

  it.each([
    ['an action that is none', { defaultAction: 'ALLOW' }, 'UNSUPPORTED', 'defaultAction'],
    ['a field that is none', { defaultAction: 'SCMP_ACT_ALLOW', sysCalls: [] }, 'INVALID_ARGUMENT', 'sysCalls'],
    ['a file that is not there', { path: '/no/such/profile' }, 'SYSTEM', '/no/such/profile'],
    ['a file that is not one', { path: '/dev/zero' }, 'INVALID_DOCUMENT', 'regular file'],
  ] as const)('are not guessed from a profile with %s', async (_, seccomp, code, message) => {
    await expect(host.run({ command: ['/bin/true'], seccomp })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });
});
