import { unsupported } from '../refusal.js';
import { syscallTables } from './syscall-tables.generated.js';

export type Architecture = keyof typeof syscallTables;

/** A machine on which containers run, in the words of Node.js (`process.arch`). */
export type Machine = 'x64' | 'arm64';

/** What the kernel tells a filter of a call's architecture: `AUDIT_ARCH_*` of linux/audit.h. */
export const auditArchitectures: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000003e,
  x32: 0xc000003e,
  x86: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
};

/** Marks the numbers of x32, whose architecture is otherwise that of x86-64. */
export const x32Bit = 0x40000000;

const machines: Readonly<Record<Machine, readonly [native: Architecture, ...others: Architecture[]]>> = {
  x64: ['x86_64', 'x32', 'x86'],
  arm64: ['aarch64', 'arm'],
};

const names: ReadonlyMap<string, Architecture | undefined> = new Map([
  ['SCMP_ARCH_X86_64', 'x86_64'],
  ['SCMP_ARCH_X32', 'x32'],
  ['SCMP_ARCH_X86', 'x86'],
  ['SCMP_ARCH_AARCH64', 'aarch64'],
  ['SCMP_ARCH_ARM', 'arm'],
  // Of machines that Gantry does not run on.
  ...[
    'LOONGARCH64',
    'M68K',
    'MIPS',
    'MIPS64',
    'MIPS64N32',
    'MIPSEL',
    'MIPSEL64',
    'MIPSEL64N32',
    'PARISC',
    'PARISC64',
    'PPC',
    'PPC64',
    'PPC64LE',
    'RISCV64',
    'S390',
    'S390X',
    'SHEB',
    'SH',
  ].map((name): [string, undefined] => [`SCMP_ARCH_${name}`, undefined]),
]);

/**
 * Those of the listed architectures (`SCMP_ARCH_*`) that a machine can run, its own first, which is always among them. `UNSUPPORTED`
 * for a name that is no architecture's.
 */
export function architecturesOf(listed: readonly string[], machine: Machine): readonly Architecture[] {
  const wanted = new Set<Architecture | undefined>();
  listed.forEach((name, index) => {
    if (!names.has(name)) {
      throw unsupported(`linux.seccomp.architectures[${index}]`, `${JSON.stringify(name)} is not an architecture`);
    }
    wanted.add(names.get(name));
  });
  const [native, ...others] = machines[machine];
  return [native, ...others.filter((architecture) => wanted.has(architecture))];
}

/** Whether any architecture has a call of this name. */
export function isSystemCall(name: string): boolean {
  return architectures.some((architecture) => syscallNumbers(architecture).has(name));
}

const architectures = Object.keys(syscallTables) as Architecture[];

const numbers = new Map<Architecture, ReadonlyMap<string, number>>();

/** The numbers of an architecture's calls, by name. */
export function syscallNumbers(architecture: Architecture): ReadonlyMap<string, number> {
  const known = numbers.get(architecture);
  if (known) return known;
  const table = new Map<string, number>();
  const base = architecture === 'x32' ? x32Bit : 0;
  let next = 0;
  for (const word of syscallTables[architecture].trim().split(/\s+/)) {
    if (/^\d/.test(word)) next = Number(word);
    else table.set(word, base + next++);
  }
  numbers.set(architecture, table);
  return table;
}
