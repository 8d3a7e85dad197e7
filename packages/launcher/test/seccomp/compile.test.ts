import type { OciSeccomp, OciSeccompRule, OciSpec } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { syscallNumbers } from '../../src/compile/seccomp/architectures.js';
import { compileSeccomp } from '../../src/compile/seccomp/compile.js';
import { compilePlan } from '../../src/index.js';
import { loadFilter } from '../support/bpf.js';
import { request } from '../support/document.js';

const ALLOW = 0x7fff0000;
const LOG = 0x7ffc0000;
const KILL = 0x80000000;
const errno = (number: number) => 0x50000 + number;
const X86_64 = 0xc000003e;
const I386 = 0x40000003;

const filterOf = (profile: OciSeccomp) => loadFilter(compileSeccomp(profile, 'x64').program);
const call = (number: number, ...args: bigint[]) => ({
  audit: X86_64,
  number,
  args: [...args, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 6),
});
const numberOf = (name: string) => syscallNumbers('x86_64').get(name) ?? -1;

const allowList = (syscalls: OciSeccompRule[], more: Partial<OciSeccomp> = {}): OciSeccomp => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  syscalls,
  ...more,
});

describe('a seccomp program', () => {
  it('has the actions of the specification, with their errnos', () => {
    const actions = {
      KILL: 0,
      KILL_THREAD: 0,
      KILL_PROCESS: KILL,
      TRAP: 0x30000,
      ERRNO: errno(1),
      TRACE: 0x7ff00001,
      LOG,
      ALLOW,
    };
    for (const [name, value] of Object.entries(actions)) {
      expect(filterOf({ defaultAction: `SCMP_ACT_${name}` })(call(0)), name).toBe(value);
    }
    expect(filterOf({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38 })(call(0))).toBe(errno(38));
    expect(filterOf({ defaultAction: 'SCMP_ACT_TRACE', defaultErrnoRet: 77 })(call(0))).toBe(0x7ff0004d);
  });

  it('kills calls of architectures that the profile does not have, x32’s among them', () => {
    const filter = filterOf(allowList([{ names: ['getpid'], action: 'SCMP_ACT_ALLOW' }]));
    expect(filter(call(39))).toBe(ALLOW);
    expect(filter({ ...call(20), audit: I386 })).toBe(KILL);
    expect(filter(call(0x40000000 + 39))).toBe(KILL);
    const all = filterOf(
      allowList([{ names: ['getpid'], action: 'SCMP_ACT_ALLOW' }], {
        architectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_MIPS'],
      }),
    );
    expect(all({ ...call(20), audit: I386 })).toBe(ALLOW);
    expect(all({ ...call(39), audit: I386 })).toBe(errno(38));
    expect(all(call(0x40000000 + 39))).toBe(ALLOW);
    expect(all(call(0x40000000 + 38))).toBe(errno(1));
  });

  it('answers ENOSYS above the last call that the profile names, if its default is an errno', () => {
    const rules: OciSeccompRule[] = [{ names: ['openat2'], action: 'SCMP_ACT_ALLOW' }];
    const filter = filterOf(allowList(rules));
    expect([436, 437, 438, 1000, 0xffffffff].map((number) => filter(call(number)))).toEqual([
      errno(1),
      ALLOW,
      errno(38),
      errno(38),
      errno(38),
    ]);
    expect(filterOf({ defaultAction: 'SCMP_ACT_KILL_PROCESS', syscalls: rules })(call(1000))).toBe(KILL);
    expect(filterOf({ defaultAction: 'SCMP_ACT_LOG', syscalls: rules })(call(1000))).toBe(LOG);
  });

  it('takes an unconditional rule before others, and else the first that holds', () => {
    const args = [{ index: 0, value: 5, op: 'SCMP_CMP_EQ' }];
    const filter = filterOf(
      allowList([
        { names: ['read'], action: 'SCMP_ACT_LOG', args },
        { names: ['read'], action: 'SCMP_ACT_ALLOW' },
        { names: ['write'], action: 'SCMP_ACT_LOG', args },
        { names: ['write'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 4, op: 'SCMP_CMP_GE' }] },
      ]),
    );
    expect(filter(call(0, 5n))).toBe(ALLOW);
    expect([3n, 4n, 5n, 6n].map((value) => filter(call(1, value)))).toEqual([errno(1), ALLOW, LOG, ALLOW]);
  });

  it('takes two conditions on one argument for alternatives', () => {
    const args = [2, 9].map((value) => ({ index: 1, value, op: 'SCMP_CMP_EQ' }));
    const filter = filterOf(allowList([{ names: ['read'], action: 'SCMP_ACT_ALLOW', args }]));
    expect([2n, 9n, 3n].map((value) => filter(call(0, 0n, value)))).toEqual([ALLOW, ALLOW, errno(1)]);
  });

  it('says what the rules say, whatever they are', () => {
    const operators = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'];
    const value = fc.oneof(fc.constantFrom(0, 1, 2 ** 32, 2 ** 32 - 1, 2 ** 53 - 1, 2 ** 64), fc.maxSafeNat());
    const argument = fc.record({
      index: fc.nat(2),
      value,
      valueTwo: value,
      op: fc.constantFrom(...operators.map((name) => `SCMP_CMP_${name}`)),
    });
    const rule = fc.record({
      names: fc.subarray(['read', 'write', 'close'], { minLength: 1 }),
      action: fc.constantFrom('SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_KILL_PROCESS'),
      args: fc.uniqueArray(argument, { selector: ({ index }) => index, minLength: 1 }),
    });
    const bits = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 8 }),
        fc.array(fc.tuple(bits, bits, bits), { minLength: 5 }),
        (rules, calls) => {
          const filter = filterOf(allowList(rules));
          const near = rules.flatMap(({ args }) => args.flatMap((one) => [exact(one.value), exact(one.valueTwo)]));
          for (const args of [...calls, ...near.map((n): [bigint, bigint, bigint] => [n, n, n])]) {
            for (const name of ['read', 'write', 'close']) {
              const decisive = rules.find(
                (one) => one.names.includes(name) && one.args.every((a) => holds(a, args[a.index] ?? 0n)),
              );
              const byName: Record<string, number> = { SCMP_ACT_ALLOW: ALLOW, SCMP_ACT_LOG: LOG };
              const expected = decisive ? (byName[decisive.action] ?? KILL) : errno(1);
              const answer = filter(call(numberOf(name), ...args));
              const isNewer = !rules.some((one) => one.names.some((other) => numberOf(other) >= numberOf(name)));
              expect(answer).toBe(isNewer && rules.length > 0 ? errno(38) : expected);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  }, 30_000);

  it('jumps as far as it has to', () => {
    const names = [...syscallNumbers('x86_64').keys()];
    const syscalls = names.map(
      (name, index): OciSeccompRule => ({
        names: [name],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: 2 + index,
        args: [{ index: 1, value: 2 ** 40 + index, op: 'SCMP_CMP_GT' }],
      }),
    );
    const { program } = compileSeccomp(allowList(syscalls), 'x64');
    expect(program.length / 8).toBeGreaterThan(2000);
    const filter = loadFilter(program);
    names.forEach((name, index) => {
      expect(filter(call(numberOf(name), 0n, 2n ** 40n + BigInt(index)))).toBe(errno(1));
      expect(filter(call(numberOf(name), 0n, 2n ** 40n + BigInt(index) + 1n))).toBe(errno(2 + index));
    });
  });

  it('is refused soon, however much longer it is than the kernel takes', () => {
    const names = [...syscallNumbers('x86_64').keys()];
    const syscalls = Array.from(
      { length: 1000 },
      (_, index): OciSeccompRule => ({
        names: names.filter((_name, number) => (((number + 1) * (index + 1)) % 1009) % 2 === 0),
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: index % 6, value: index * 2 ** 33, op: 'SCMP_CMP_EQ' }],
      }),
    );
    const allArchitectures = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'];
    const start = performance.now();
    const profile = { ...allowList(syscalls), architectures: allArchitectures };
    expect(() => compileSeccomp(profile, 'x64')).toThrow(/too many conditions/);
    expect(performance.now() - start).toBeLessThan(8000);
  });

  it('is refused if it is longer than the kernel takes', () => {
    const names = [...syscallNumbers('x86_64').keys()];
    const syscalls = names.map(
      (name, index): OciSeccompRule => ({
        names: [name],
        action: 'SCMP_ACT_ALLOW',
        args: [0, 1].map((at) => ({ index: at, value: 2 ** 40 + 2 * index + at, op: 'SCMP_CMP_GT' })),
      }),
    );
    expect(() => compileSeccomp(allowList(syscalls), 'x64')).toThrow(/instructions, the kernel takes 4096/);
    const many = Array.from(
      { length: 2000 },
      (): OciSeccompRule => ({
        names: ['read'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }],
      }),
    );
    expect(() => compileSeccomp(allowList(many), 'x64')).toThrow(/more than 1024 conditions/);
  });

  it.each<[string, object, string]>([
    [
      'an unknown operator',
      { syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 1, op: 'EQ' }] }] },
      'linux.seccomp.syscalls[0].args[0].op',
    ],
    [
      'a seventh argument',
      { syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 6, value: 1, op: 'SCMP_CMP_EQ' }] }] },
      'linux.seccomp.syscalls[0].args[0].index',
    ],
    [
      'a rounded value',
      {
        syscalls: [
          { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 2 ** 60, op: 'SCMP_CMP_EQ' }] },
        ],
      },
      'linux.seccomp.syscalls[0].args[0].value',
    ],
    [
      'an errno of no error',
      { syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', errnoRet: 1 }] },
      'linux.seccomp.syscalls[0].errnoRet',
    ],
    ['a large errno', { defaultErrnoRet: 4096 }, 'linux.seccomp.defaultErrnoRet'],
    ['an unknown architecture', { architectures: ['x86_64'] }, 'linux.seccomp.architectures[0]'],
    ['a flag about listeners', { flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] }, 'linux.seccomp.flags[0]'],
    ['metadata for no listener', { listenerMetadata: 'x' }, 'linux.seccomp.listenerMetadata'],
    ['calls for an agent, and none', { defaultAction: 'SCMP_ACT_NOTIFY' }, 'linux.seccomp.listenerPath'],
    [
      'calls for an agent before it has the listener',
      { listenerPath: '/run/x', syscalls: [{ names: ['sendmsg'], action: 'SCMP_ACT_NOTIFY' }] },
      'linux.seccomp.syscalls',
    ],
    ['no names', { syscalls: [{ names: [], action: 'SCMP_ACT_ALLOW' }] }, 'linux.seccomp.syscalls[0].names'],
  ])('is not made of a profile with %s', (_, more, field) => {
    expect(() => compileSeccomp(allowList([], more as Partial<OciSeccomp>), 'x64')).toThrow(`${field}: `);
  });
});

describe('the step of a seccomp filter', () => {
  const opsOf = (edit: (config: OciSpec) => unknown, first: 'program' | 'init' = 'program') =>
    compilePlan(
      request(
        (config) => {
          config.linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW' };
          edit(config);
        },
        { first },
      ),
    ).steps.map((step) => (step.op === 'seccomp' ? `seccomp ${step.last}` : step.op));

  it('is for the end, if the process can gain no privileges', () => {
    const ops = opsOf(({ process }) => {
      process.noNewPrivileges = true;
    });
    expect(ops.slice(ops.indexOf('user'))).toEqual(['user', 'noNewPrivileges', 'seccomp 1', 'ready', 'exec']);
  });

  it('comes while there is CAP_SYS_ADMIN, if it can', () => {
    const ops = opsOf(() => undefined);
    expect(ops.slice(ops.indexOf('sessionKeyring'))).toEqual([
      'sessionKeyring',
      'seccomp 0',
      'capabilities',
      'user',
      'ready',
      'exec',
    ]);
  });

  it('compiles a profile anew when it has changed, unless nobody can change it', () => {
    const profile: OciSeccomp = { defaultAction: 'SCMP_ACT_ALLOW' };
    const programOf = (seccomp: OciSeccomp) => {
      const step = compilePlan(request(({ linux }) => Object.assign(linux, { seccomp }))).steps.find(
        ({ op }) => op === 'seccomp',
      );
      return (step as { program: Uint8Array }).program;
    };
    const before = programOf(profile);
    expect(programOf({ ...profile })).toBe(before);
    profile.defaultAction = 'SCMP_ACT_LOG';
    expect(loadFilter(programOf(profile))(call(0))).toBe(LOG);
    const frozen = Object.freeze<OciSeccomp>({ defaultAction: 'SCMP_ACT_TRAP' });
    expect(programOf(frozen)).toBe(programOf(frozen));
    const rules: OciSeccompRule[] = [{ names: ['read'], action: 'SCMP_ACT_TRAP' }];
    const outside = Object.freeze<OciSeccomp>({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: rules });
    expect(loadFilter(programOf(outside))(call(1))).toBe(ALLOW);
    rules.push({ names: ['write'], action: 'SCMP_ACT_LOG' });
    expect(loadFilter(programOf(outside))(call(1))).toBe(LOG);
  });
});

interface Argument {
  readonly value: number;
  readonly valueTwo: number;
  readonly op: string;
}

/** 2^64 stands for the number before it. */
const exact = (value: number) => (value === 2 ** 64 ? 2n ** 64n - 1n : BigInt(value));

function holds({ value, valueTwo, op }: Argument, argument: bigint): boolean {
  const [a, b] = [exact(value), exact(valueTwo)];
  switch (op.replace('SCMP_CMP_', '')) {
    case 'NE':
      return argument !== a;
    case 'LT':
      return argument < a;
    case 'LE':
      return argument <= a;
    case 'EQ':
      return argument === a;
    case 'GE':
      return argument >= a;
    case 'GT':
      return argument > a;
    default:
      return (argument & a) === (b & a);
  }
}
