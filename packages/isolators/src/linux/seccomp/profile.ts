import { constants } from 'node:os';
import type { OciSeccomp, OciSeccompArgument, OciSeccompRule } from '@gantry/interface';
import { invalidField } from '../../errors.js';
import { type Facts, isAtLeast, parseKernelVersion } from './facts.js';
import { type Fields, integerOf, listOf, objectOf, optional, stringOf } from './values.js';

/**
 * A profile of either form in that of the OCI runtime specification, for a container and a host. `INVALID_ARGUMENT` names the
 * field, below `field`. Whether the names of actions, operators and architectures are any is for the launcher to say.
 */
export function toOciSeccomp(value: unknown, facts: Facts, field: string): OciSeccomp {
  const profile = objectOf(value, field, topFields);
  const architectures = architecturesOf(profile, facts, field);
  const errno = errnoOf(profile, field, 'defaultErrnoRet', 'defaultErrno');
  const flags = optional(profile['flags'], (list) => listOf(list, `${field}.flags`, stringOf));
  const rules = optional(profile['syscalls'], (list) => listOf(list, `${field}.syscalls`, readRule)) ?? [];
  return {
    defaultAction: stringOf(profile['defaultAction'], `${field}.defaultAction`),
    ...(errno === undefined ? {} : { defaultErrnoRet: errno }),
    ...(architectures ? { architectures } : {}),
    ...(flags && flags.length > 0 ? { flags } : {}),
    ...listenerOf(profile, field),
    syscalls: rules.filter(({ applies }) => applies(facts)).map(({ rule }) => rule),
  };
}

const topFields = [
  'defaultAction',
  'defaultErrnoRet',
  'defaultErrno',
  'architectures',
  'archMap',
  'flags',
  'listenerPath',
  'listenerMetadata',
  'syscalls',
] as const;

/** What is empty is left out, as in Go. */
function listenerOf(profile: Fields, field: string): Pick<OciSeccomp, 'listenerPath' | 'listenerMetadata'> {
  const text = (name: 'listenerPath' | 'listenerMetadata') =>
    profile[name] === '' ? undefined : optional(profile[name], (value) => stringOf(value, `${field}.${name}`));
  const listenerPath = text('listenerPath');
  const listenerMetadata = text('listenerMetadata');
  if (listenerPath === undefined) {
    if (listenerMetadata === undefined) return {};
    throw invalidField(`${field}.listenerMetadata`, 'is for who is at listenerPath: give that too');
  }
  if (!listenerPath.startsWith('/')) throw invalidField(`${field}.listenerPath`, 'must be an absolute path');
  return { listenerPath, ...(listenerMetadata === undefined ? {} : { listenerMetadata }) };
}

const native = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' } as const;

function architecturesOf(profile: Fields, { architecture }: Facts, field: string): string[] | undefined {
  const plain = optional(profile['architectures'], (list) => listOf(list, `${field}.architectures`, stringOf)) ?? [];
  const map = optional(profile['archMap'], (list) => listOf(list, `${field}.archMap`, readMapping)) ?? [];
  if (map.length === 0) return plain.length === 0 ? undefined : plain;
  if (plain.length > 0) throw invalidField(`${field}.archMap`, 'stands beside architectures: leave out one of them');
  const own = map.find((entry) => entry.architecture === native[architecture]);
  return own && [own.architecture, ...own.subArchitectures];
}

function readMapping(value: unknown, field: string) {
  const entry = objectOf(value, field, ['architecture', 'subArchitectures']);
  const subArchitectures = optional(entry['subArchitectures'], (list) =>
    listOf(list, `${field}.subArchitectures`, stringOf),
  );
  return {
    architecture: stringOf(entry['architecture'], `${field}.architecture`),
    subArchitectures: subArchitectures ?? [],
  };
}

interface ConditionalRule {
  readonly rule: OciSeccompRule;
  readonly applies: (facts: Facts) => boolean;
}

const ruleFields = ['names', 'name', 'action', 'errnoRet', 'errno', 'args', 'comment', 'includes', 'excludes'] as const;

function readRule(value: unknown, field: string): ConditionalRule {
  const rule = objectOf(value, field, ruleFields);
  const names = optional(rule['names'], (list) => listOf(list, `${field}.names`, stringOf)) ?? [];
  if (rule['name'] !== undefined && rule['name'] !== '') {
    if (names.length > 0) throw invalidField(`${field}.name`, 'stands beside names: leave out one of them');
    names.push(stringOf(rule['name'], `${field}.name`));
  }
  if (names.length === 0) throw invalidField(`${field}.names`, 'must name a system call');
  const errno = errnoOf(rule, field, 'errnoRet', 'errno');
  const args = optional(rule['args'], (list) => listOf(list, `${field}.args`, readArgument)) ?? [];
  const includes = optional(rule['includes'], (item) => readCondition(item, `${field}.includes`));
  const excludes = optional(rule['excludes'], (item) => readCondition(item, `${field}.excludes`));
  return {
    rule: {
      names,
      action: stringOf(rule['action'], `${field}.action`),
      ...(errno === undefined ? {} : { errnoRet: errno }),
      ...(args.length > 0 ? { args } : {}),
    },
    applies: (facts) => (includes?.every(holdsFor(facts)) ?? true) && !(excludes?.some(holdsFor(facts)) ?? false),
  };
}

function readArgument(value: unknown, field: string): OciSeccompArgument {
  const argument = objectOf(value, field, ['index', 'value', 'valueTwo', 'op']);
  const valueTwo = optional(argument['valueTwo'], (number) => integerOf(number, `${field}.valueTwo`));
  return {
    index: integerOf(argument['index'], `${field}.index`),
    value: integerOf(argument['value'], `${field}.value`),
    ...(valueTwo === undefined ? {} : { valueTwo }),
    op: stringOf(argument['op'], `${field}.op`),
  };
}

type Check = (facts: Facts) => boolean;
const holdsFor = (facts: Facts) => (check: Check) => check(facts);

/** What `includes` must have all of, and `excludes` none: each capability, being on one of the architectures, a kernel so new. */
function readCondition(value: unknown, field: string): Check[] {
  const condition = objectOf(value, field, ['caps', 'arches', 'minKernel']);
  const caps = optional(condition['caps'], (list) => listOf(list, `${field}.caps`, stringOf)) ?? [];
  const arches = optional(condition['arches'], (list) => listOf(list, `${field}.arches`, stringOf)) ?? [];
  const checks: Check[] = caps.map(
    (name) =>
      ({ capabilities }) =>
        capabilities.has(name),
  );
  if (arches.length > 0) checks.push(({ architecture }) => arches.includes(architecture));
  const { minKernel } = condition;
  if (minKernel !== undefined && minKernel !== '') {
    const least = parseKernelVersion(stringOf(minKernel, `${field}.minKernel`));
    if (!least) throw invalidField(`${field}.minKernel`, 'must be a version of Linux, such as 4.8');
    checks.push(({ kernel }) => isAtLeast(kernel, least));
  }
  return checks;
}

const errnos: Readonly<Record<string, number>> = constants.errno;

/** A number, a name, or both if they agree. */
function errnoOf(holder: Fields, field: string, numberField: string, nameField: string): number | undefined {
  const number = optional(holder[numberField], (value) => integerOf(value, `${field}.${numberField}`));
  const name = holder[nameField];
  if (name === undefined || name === '') return number;
  const named = errnos[stringOf(name, `${field}.${nameField}`)];
  if (named === undefined) throw invalidField(`${field}.${nameField}`, `'${String(name)}' is not an errno`);
  if (number !== undefined && number !== named) {
    throw invalidField(`${field}.${nameField}`, `is ${named}, but ${numberField} is ${number}`);
  }
  return named;
}
