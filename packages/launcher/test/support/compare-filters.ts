import type { OciSeccomp, OciSeccompRule } from '@gantry/interface';
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
import { loadFilter } from './bpf.js';
import { compileByLibseccomp } from './libseccomp.js';

/** On i386 libseccomp takes these for the same as some calls of `socketcall` and `ipc`, and so has rules of its own for them. */
export const multiplexed =
  /^(socket|bind|connect|listen|accept|accept4|getsockname|getpeername|socketpair|send|recv|sendto|recvfrom|shutdown|setsockopt|getsockopt|sendmsg|recvmsg|recvmmsg|sendmmsg|socketcall|ipc|sem.*|msg.*|shm.*)$/;

/** Calls that Debian's libseccomp does not know yet. */
export const newer = new Set(
  [...syscallNumbers('x86_64')].filter(([, n]) => n > 450 || n === 335 || n === 336).map(([name]) => name),
);

/** Numbers of calls that are, that may be, and that cannot be. */
function numbersOf(architecture: Architecture): number[] {
  const base = architecture === 'x32' ? x32Bit : 0;
  const known = [...syscallNumbers(architecture).values()];
  const dense = Array.from({ length: 520 }, (_, number) => base + number);
  const isSkipped = (name: string) => newer.has(name) || (architecture === 'x86' && multiplexed.test(name));
  const skipped = new Set(
    [...syscallNumbers(architecture)].filter(([name]) => isSkipped(name)).map(([, number]) => number),
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

/**
 * Compares what our program and libseccomp's answer, with every boundary in one argument and some in the others. Throws with the
 * call about which they differ; gives how many were compared.
 */
export function compareWithLibseccomp(profile: OciSeccomp, machine: Machine): number {
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
          // Ours answers these as a kernel without them would.
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
