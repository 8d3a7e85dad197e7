import type { OciSeccomp, OciSeccompArgument, OciSeccompRule } from '@gantry/interface';
import { integer, invalid, unsupported } from '../refusal.js';
import { compileAction, isNotification, isPermission } from './actions.js';
import type { Condition, Operator } from './conditions.js';

/** What a profile says of one system call: an action if all of some conditions hold. */
export interface Rule {
  readonly action: number;
  readonly conditions: readonly Condition[];
}

/** A profile, checked. */
export interface Rules {
  readonly defaultAction: number;
  /** In the profile's order, by the call's name. */
  readonly calls: ReadonlyMap<string, readonly Rule[]>;
}

/** Whether a call may be made, with such a first argument, and zeros for the rest. */
export function isAllowed({ defaultAction, calls }: Rules, name: string, argument = 0n): boolean {
  const rules = (calls.get(name) ?? []).filter(({ action }) => action !== defaultAction);
  const decisive =
    rules.find(({ conditions }) => conditions.length === 0) ??
    rules.find(({ conditions }) =>
      conditions.every((condition) => holds(condition, condition.index === 0 ? argument : 0n)),
    );
  return isPermission(decisive?.action ?? defaultAction);
}

/** Whether there is a call that an agent is asked about; of one that is named, whatever its arguments. */
export function mayNotify({ defaultAction, calls }: Rules, name?: string): boolean {
  const rules = name === undefined ? [...calls.values()].flat() : (calls.get(name) ?? []);
  if (rules.some(({ action }) => isNotification(action))) return true;
  return (
    isNotification(defaultAction) && !(name !== undefined && rules.some(({ conditions }) => conditions.length === 0))
  );
}

function holds({ operator, value, mask = 0n }: Condition, argument: bigint): boolean {
  switch (operator) {
    case 'NE':
      return argument !== value;
    case 'LT':
      return argument < value;
    case 'LE':
      return argument <= value;
    case 'EQ':
      return argument === value;
    case 'GE':
      return argument >= value;
    case 'GT':
      return argument > value;
    case 'MASKED_EQ':
      return (argument & mask) === value;
  }
}

const operators: ReadonlyMap<string, Operator> = new Map(
  (['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'] as const).map((name) => [`SCMP_CMP_${name}`, name]),
);

const seccomp = 'linux.seccomp';

/** Each takes an instruction or more of the 4096 that there may be. */
const maxConditions = 1024;

/** Reads the rules of a profile. `UNSUPPORTED` and `INVALID_DOCUMENT` name the field. */
export function readRules(profile: OciSeccomp): Rules {
  const defaultAction = compileAction(profile.defaultAction, profile.defaultErrnoRet, seccomp, {
    action: 'defaultAction',
    errno: 'defaultErrnoRet',
  });
  const calls = new Map<string, Rule[]>();
  let conditions = 0;
  (profile.syscalls ?? []).forEach((rule, index) => {
    const field = `${seccomp}.syscalls[${index}]`;
    conditions += rule.args?.length ?? 0;
    if (conditions > maxConditions) throw unsupported(field, `there are more than ${maxConditions} conditions`);
    const rules = readRule(rule, field);
    for (const name of rule.names) {
      const list = calls.get(name);
      if (list) list.push(...rules);
      else calls.set(name, [...rules]);
    }
  });
  return { defaultAction, calls };
}

/**
 * Conditions of which two are about one argument are alternatives, as runc and crun take them, and profiles written for these
 * mean; all of any others must hold.
 */
function readRule({ names, action: name, errnoRet, args = [] }: OciSeccompRule, field: string): Rule[] {
  if (names.length === 0) throw invalid(`${field}.names`, 'there is no name');
  const action = compileAction(name, errnoRet, field, { action: 'action', errno: 'errnoRet' });
  const conditions = args.map((argument, index) => readCondition(argument, `${field}.args[${index}]`));
  if (new Set(conditions.map(({ index }) => index)).size === conditions.length) return [{ action, conditions }];
  return conditions.map((condition) => ({ action, conditions: [condition] }));
}

function readCondition({ index, value, valueTwo, op }: OciSeccompArgument, field: string): Condition {
  const operator = operators.get(op);
  if (!operator) throw unsupported(`${field}.op`, `${JSON.stringify(op)} is not an operator`);
  integer(index, 0, 5, `${field}.index`);
  const first = amount(value, `${field}.value`);
  if (operator !== 'MASKED_EQ') return { index, operator, value: first };
  // Bits outside the mask count for nothing, as in libseccomp.
  return { index, operator, mask: first, value: first & amount(valueTwo ?? 0, `${field}.valueTwo`) };
}

/** 2^64, which JSON.parse makes of 2^64 - 1, stands for that. Other numbers above 2^53 may have been rounded. */
function amount(value: number, field: string): bigint {
  if (value === 2 ** 64) return 2n ** 64n - 1n;
  if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw invalid(field, `${value} is not a whole number that JSON keeps exactly, from 0 to 2^53, or 2^64 - 1`);
}
