import type { OciSeccomp, OciSeccompArgument, OciSeccompRule } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Machine, syscallNumbers } from '../../src/compile/seccomp/architectures.js';
import { compareWithLibseccomp, multiplexed, newer } from '../support/compare-filters.js';
import { noLibseccomp } from '../support/libseccomp.js';

const names = (machine: Machine) =>
  machine === 'x64' ? ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32', 'SCMP_ARCH_X86'] : ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'];

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
        expect(
          compareWithLibseccomp({ defaultAction: 'SCMP_ACT_ERRNO', architectures, syscalls: rules }, machine),
        ).toBeGreaterThan(10_000);
      }
    });

    it.each(['x64', 'arm64'] as const)(
      'say the same for random profiles on %s',
      (machine) => {
        fc.assert(
          fc.property(randomProfile(machine), (profile) => {
            compareWithLibseccomp(profile, machine);
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
