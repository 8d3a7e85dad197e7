import { existsSync, readFileSync } from 'node:fs';
import { capabilityNames } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { defaultProfile } from '../../packages/isolators/src/linux/seccomp/default-profile.js';
import { toOciSeccomp } from '../../packages/isolators/src/linux/seccomp/profile.js';
import {
  type Architecture,
  auditArchitectures,
  syscallNumbers,
} from '../../packages/launcher/src/compile/seccomp/architectures.js';
import { compileSeccomp } from '../../packages/launcher/src/compile/seccomp/compile.js';
import { compareWithLibseccomp } from '../../packages/launcher/test/support/compare-filters.js';
import { noLibseccomp } from '../../packages/launcher/test/support/libseccomp.js';

const commonProfile = '/usr/share/containers/seccomp.json';
const missing = noLibseccomp ?? (existsSync(commonProfile) ? undefined : 'needs golang-github-containers-common');

const machines = [
  { machine: 'x64', architecture: 'amd64' },
  { machine: 'arm64', architecture: 'arm64' },
] as const;
const capabilitySets = [[], ['CAP_SYS_CHROOT'], ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'], capabilityNames];
const cases = machines.flatMap((machine) => capabilitySets.map((capabilities) => ({ ...machine, capabilities })));

describe.skipIf(missing)(`whole profiles${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it.each(cases)('ours says what libseccomp makes of it, on $machine with $capabilities', (facts) => {
    const profile = toOciSeccomp(defaultProfile, factsOf(facts), 'default');
    expect(compareWithLibseccomp(profile, facts.machine)).toBeGreaterThan(5_000);
  });

  it.each(cases)('that of containers-common does, on $machine with $capabilities', (facts) => {
    const profile = toOciSeccomp(JSON.parse(readFileSync(commonProfile, 'utf8')), factsOf(facts), 'common');
    expect(compareWithLibseccomp(profile, facts.machine)).toBeGreaterThan(5_000);
  });

  it.each(machines)('the default profile takes a fraction of what the kernel allows, on $machine', (facts) => {
    const profile = toOciSeccomp(defaultProfile, factsOf({ ...facts, capabilities: [] }), 'default');
    const { program, unknown } = compileSeccomp(profile, facts.machine);
    expect(program.length / 8).toBeLessThan(256);
    expect(unknown).toEqual([]);
  });
});

/** What nobody in a container may call, whatever his capabilities: what Linux has dropped or never had, keys of the kernel, and what has many holes. */
const never = `
  _sysctl add_key afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle io_uring_enter
  io_uring_register io_uring_setup keyctl lock mpx nfsservctl pciconfig_iobase pciconfig_read pciconfig_write prof
  profil putpmsg query_module request_key security stty sysfs tuxcall ulimit uselib userfaultfd usr26 usr32 ustat
  vm86 vm86old vserver`;

it('the default profile has an answer for every call there is', () => {
  const known = new Set(
    (Object.keys(auditArchitectures) as Architecture[]).flatMap((name) => [...syscallNumbers(name).keys()]),
  );
  const named = new Set((defaultProfile.syscalls ?? []).flatMap(({ names = [] }) => names));
  expect([...known].filter((name) => !named.has(name)).sort()).toEqual(never.trim().split(/\s+/));
});

function factsOf({ architecture, capabilities }: { architecture: 'amd64' | 'arm64'; capabilities: readonly string[] }) {
  return { architecture, capabilities: new Set(capabilities), kernel: { major: 6, minor: 1 } };
}
