import type { OciSeccomp, OciSeccompArgument, OciSeccompRule } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerNoSuchCall, isErrno } from '../../src/compile/seccomp/actions.js';
import {
  type Architecture,
  architecturesOf,
  auditArchitectures,
  type Machine,
  syscallNumbers,
  x32Bit,
} from '../../src/compile/seccomp/architectures.js';
import { compileSeccomp } from '../../src/compile/seccomp/compile.js';
import { loadFilter } from '../support/bpf.js';
import { compileByLibseccomp, noLibseccomp } from '../support/libseccomp.js';

const names = (machine: Machine) =>
  machine === 'x64' ? ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32', 'SCMP_ARCH_X86'] : ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'];

/** On i386 libseccomp takes these for the same as some calls of `socketcall` and `ipc`, and so has rules of its own for them. */
const multiplexed =
  /^(socket|bind|connect|listen|accept|accept4|getsockname|getpeername|socketpair|send|recv|sendto|recvfrom|shutdown|setsockopt|getsockopt|sendmsg|recvmsg|recvmmsg|sendmmsg|socketcall|ipc|sem.*|msg.*|shm.*)$/;

/** Calls that Debian's libseccomp does not know yet. */
const newer = new Set(
  [...syscallNumbers('x86_64')].filter(([, n]) => n > 450 || n === 335 || n === 336).map(([name]) => name),
);

/** Numbers of calls that are, that may be, and that cannot be. */
function numbersOf(architecture: Architecture): number[] {
  const base = architecture === 'x32' ? x32Bit : 0;
  const known = [...syscallNumbers(architecture).values()];
  const dense = Array.from({ length: 520 }, (_, number) => base + number);
  const skipped = new Set(
    architecture === 'x86'
      ? [...syscallNumbers('x86')].filter(([name]) => multiplexed.test(name)).map(([, number]) => number)
      : [],
  );
  return [...new Set([...dense, ...known, base + 0x3fffffff, base + 4096])].filter((number) => !skipped.has(number));
}

/** Values about those of a profile's conditions, of which an argument that is 32 bits wide has the low half. */
function boundaries(rules: readonly OciSeccompRule[]): bigint[] {
  const mask = 2n ** 64n - 1n;
  const values = rules.flatMap(({ args = [] }) =>
    args.flatMap(({ value, valueTwo = 0 }) => [BigInt(value), BigInt(valueTwo)]),
  );
  const near = [0n, ...values].flatMap((value) => [
    value,
    value - 1n,
    value + 1n,
    value ^ (1n << 32n),
    value | (1n << 63n),
    ~value,
  ]);
  return [...new Set(near.map((value) => value & mask))];
}

/** Compares what both programs answer, with every boundary in one argument and some in the others. */
function compare(profile: OciSeccomp, machine: Machine): number {
  const architectures = architecturesOf(profile.architectures ?? [], machine);
  const { program } = compileSeccomp(profile, machine);
  const ours = loadFilter(program);
  const theirs = loadFilter(compileByLibseccomp(profile, architectures));
  let compared = 0;
  for (const architecture of Object.keys(auditArchitectures) as Architecture[]) {
    const audit = auditArchitectures[architecture];
    const numbers = syscallNumbers(architecture);
    const rulesOf = new Map<number, OciSeccompRule[]>();
    for (const rule of profile.syscalls ?? []) {
      for (const name of rule.names) {
        const number = numbers.get(name);
        if (number !== undefined) rulesOf.set(number, [...(rulesOf.get(number) ?? []), rule]);
      }
    }
    const last = Math.max(...rulesOf.keys());
    for (const number of numbersOf(architecture)) {
      const rules = rulesOf.get(number);
      const all = rules ? boundaries(rules) : [5n];
      // The registers of a program of 32 bits are no wider; libseccomp looks at no more of x32's, either.
      const values =
        architecture === 'x86_64' || architecture === 'aarch64' ? all : all.map((value) => value & 0xffffffffn);
      values.forEach((value, i) => {
        const other = values[(7 * i + 3) % values.length] ?? 0n;
        for (let index = 0; index < 6; index++) {
          const args = Array.from({ length: 6 }, (_, at) => (at === index ? value : other));
          const call = { audit, number, args };
          const answer = ours(call);
          const isNewer = architectures.includes(architecture) && number > last && rulesOf.size > 0;
          const expected = isNewer && isErrno(defaultOf(profile)) ? answerNoSuchCall : theirs(call);
          compared++;
          if (answer !== expected) {
            const text = { architecture, number, args: args.map(String), answer, expected };
            throw new Error(`${JSON.stringify(text)} by ${JSON.stringify(profile)}`);
          }
        }
      });
    }
  }
  return compared;
}

function defaultOf({ defaultAction }: OciSeccomp): number {
  return defaultAction === 'SCMP_ACT_ERRNO' ? 0x50000 : 0;
}

describe.skipIf(noLibseccomp !== undefined)(
  `seccomp programs, compared with libseccomp's (${noLibseccomp ?? ''})`,
  () => {
    it.each(['x64', 'arm64'] as const)('say the same for a profile with every operator on %s', (machine) => {
      const operators = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT'].map((op) => `SCMP_CMP_${op}`);
      const calls = [
        'read',
        'write',
        'close',
        'lseek',
        'mmap',
        'munmap',
        'dup',
        'ioctl',
        'fcntl',
        'flock',
        'fsync',
        'getcwd',
      ];
      const values = [0, 1, 0xffffffff, 2 ** 32, 2 ** 32 + 5, 2 ** 52 + 3, 2 ** 64];
      for (const value of values) {
        const rules = [
          ...operators.map(
            (op, i): OciSeccompRule => ({
              names: [calls[i] ?? ''],
              action: 'SCMP_ACT_ALLOW',
              args: [{ index: i % 6, value, op }],
            }),
          ),
          {
            names: ['fsync'],
            action: 'SCMP_ACT_LOG',
            args: [{ index: 1, value, valueTwo: 1, op: 'SCMP_CMP_MASKED_EQ' }],
          },
        ];
        // Of 32 bits libseccomp sees the low half of a value only.
        const architectures = names(machine).slice(0, value > 0xffffffff ? 1 : 3);
        expect(compare({ defaultAction: 'SCMP_ACT_ERRNO', architectures, syscalls: rules }, machine)).toBeGreaterThan(
          10_000,
        );
      }
    });

    it.each(['x64', 'arm64'] as const)(
      'say the same for random profiles on %s',
      (machine) => {
        fc.assert(
          fc.property(randomProfile(machine), (profile) => {
            compare(profile, machine);
          }),
          { numRuns: 25 },
        );
      },
      60_000,
    );
  },
);

function randomProfile(machine: Machine): fc.Arbitrary<OciSeccomp> {
  const wide = fc.oneof(fc.constantFrom(0, 1, 38, 0x7e020000, 0xffffffff), fc.nat(0xffff));
  const argument = fc.record({
    index: fc.nat(5),
    op: fc.constantFrom('NE', 'LT', 'LE', 'EQ', 'GE', 'GT').map((op) => `SCMP_CMP_${op}`),
    value: wide,
  });
  const masked = fc.record({ index: fc.nat(5), op: fc.constant('SCMP_CMP_MASKED_EQ'), value: wide, valueTwo: wide });
  const calls = [...syscallNumbers('x86_64').keys()].filter((name) => !multiplexed.test(name) && !newer.has(name));
  const name = fc.constantFrom(...calls);
  const args = fc.oneof(
    fc.constant<OciSeccompArgument[]>([]),
    fc.array<OciSeccompArgument>(fc.oneof(argument, masked), { maxLength: 3 }),
  );
  // One action for all that have conditions: which of two applies, if both can, is for libseccomp's tree to say.
  const conditional = fc.constantFrom('SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRAP');
  return fc
    .record({
      defaultAction: fc.constantFrom('SCMP_ACT_ERRNO', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_KILL', 'SCMP_ACT_ALLOW'),
      architectures: fc.subarray(names(machine)),
      conditional,
      rules: fc.array(fc.record({ names: fc.array(name, { minLength: 1, maxLength: 30 }), args }), { maxLength: 40 }),
    })
    .map(({ defaultAction, architectures, conditional: action, rules }) => ({
      defaultAction,
      architectures,
      syscalls: withoutOverlap(rules).map((rule) => ({ ...rule, action })),
    }));
}

/**
 * A call with two rules of which one has conditions has none but these: where a program of libseccomp 2.5.4 looks at two arguments, what it
 * says of the second may hang on a rule that does not apply.
 */
function withoutOverlap<R extends { readonly names: string[]; readonly args: readonly object[] }>(
  rules: readonly R[],
): R[] {
  const conditional = new Set<string>();
  return rules
    .map((rule) => {
      const names = rule.args.length === 0 ? rule.names : rule.names.filter((name) => !conditional.has(name));
      if (rule.args.length > 0) for (const name of names) conditional.add(name);
      return { ...rule, names };
    })
    .filter(({ names }) => names.length > 0);
}
