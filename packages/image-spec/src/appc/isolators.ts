import { capabilityNames } from '@gantry/interface';
import type { JsonFields } from '../json/json-fields.js';
import type { JsonValue } from '../json/json-value.js';
import { quote } from '../quote.js';
import { readAcIdentifier } from './ac-types.js';
import { readMilliQuantity, readWholeQuantity } from './quantity.js';

/** One isolator of an app or pod, decoded where its meaning is known here. appc 0.8, ace.md#isolators. */
export type AppcIsolator =
  /** CPUs, e.g. 0.25. */
  | { readonly name: 'resource/cpu'; readonly request?: number; readonly limit?: number }
  /** Bytes. */
  | { readonly name: 'resource/memory'; readonly request?: number; readonly limit?: number }
  /** The bounding set is just these; names as in capabilities(7). */
  | { readonly name: 'os/linux/capabilities-retain-set'; readonly set: readonly string[] }
  /** The bounding set is the default one without these. */
  | { readonly name: 'os/linux/capabilities-remove-set'; readonly set: readonly string[] }
  | { readonly name: 'os/linux/no-new-privileges'; readonly value: boolean }
  /** Only these system calls are allowed. */
  | ({ readonly name: 'os/linux/seccomp-retain-set' } & AppcSeccompSet)
  /** These system calls are blocked. */
  | ({ readonly name: 'os/linux/seccomp-remove-set' } & AppcSeccompSet)
  | { readonly name: 'os/unix/sysctl'; readonly sysctls: ReadonlyMap<string, string> }
  /** Any other: an executor may ignore it, and must say that it did. */
  | { readonly name: 'other'; readonly identifier: string; readonly value: JsonValue };

/** Names of system calls, and wildcards such as `@appc.io/all`. */
export interface AppcSeccompSet {
  readonly set: readonly string[];
  /** What a blocked call fails with, e.g. `ENOTSUP`; without it the process is killed by SIGSYS. */
  readonly errno?: string;
}

const isolatorFields = ['name', 'value'] as const;
type IsolatorFields = JsonFields<(typeof isolatorFields)[number]>;

const knownCapabilities: ReadonlySet<string> = new Set(capabilityNames);
const syscallGrammar = /^(?:[a-z_][a-z0-9_]{0,63}|@[a-z0-9._-]{1,64}\/[a-z0-9._-]{1,64})$/;
const errnoGrammar = /^E[A-Z0-9]{1,31}$/;
const sysctlGrammar = /^[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_*-]+)*$/;

/** What cannot stand beside one another, and what comes only once. */
const exclusive = [
  ['os/linux/capabilities-retain-set', 'os/linux/capabilities-remove-set'],
  ['os/linux/seccomp-retain-set', 'os/linux/seccomp-remove-set'],
  ['resource/cpu'],
  ['resource/memory'],
  ['os/linux/no-new-privileges'],
  ['os/unix/sysctl'],
] as const;

const readers: Readonly<Record<Exclude<AppcIsolator['name'], 'other'>, (fields: IsolatorFields) => AppcIsolator>> = {
  'resource/cpu': (fields) => ({ name: 'resource/cpu', ...readAmounts(fields, readMilliQuantity) }),
  'resource/memory': (fields) => ({ name: 'resource/memory', ...readAmounts(fields, readWholeQuantity) }),
  'os/linux/capabilities-retain-set': (fields) => ({
    name: 'os/linux/capabilities-retain-set',
    set: readCapabilities(fields),
  }),
  'os/linux/capabilities-remove-set': (fields) => ({
    name: 'os/linux/capabilities-remove-set',
    set: readCapabilities(fields),
  }),
  'os/linux/no-new-privileges': (fields) => ({
    name: 'os/linux/no-new-privileges',
    value: fields.boolean('value') ?? false,
  }),
  'os/linux/seccomp-retain-set': (fields) => ({ name: 'os/linux/seccomp-retain-set', ...readSeccomp(fields) }),
  'os/linux/seccomp-remove-set': (fields) => ({ name: 'os/linux/seccomp-remove-set', ...readSeccomp(fields) }),
  'os/unix/sysctl': (fields) => ({ name: 'os/unix/sysctl', sysctls: readSysctls(fields) }),
};

/** Reads the isolators of an app or pod. */
export function readIsolators<Name extends string>(fields: JsonFields<Name>, name: Name): readonly AppcIsolator[] {
  const isolators = fields.objects(name, isolatorFields).map(readIsolator);
  for (const names of exclusive) {
    const found = isolators.filter((isolator) => names.some((other) => other === isolator.name));
    if (found.length > 1) throw fields.invalid(name, `there can be only one of ${names.join(' and ')}`);
  }
  return isolators;
}

function readIsolator(fields: IsolatorFields): AppcIsolator {
  const identifier = readAcIdentifier(fields, 'name');
  const reader = Object.hasOwn(readers, identifier) ? readers[identifier as keyof typeof readers] : undefined;
  return reader === undefined ? { name: 'other', identifier, value: fields.value('value') ?? null } : reader(fields);
}

function readAmounts(
  fields: IsolatorFields,
  readQuantity: (fields: JsonFields<string>, name: string) => number | undefined,
): { readonly request?: number; readonly limit?: number } {
  const value = fields.requiredObject<string>('value', ['default', 'request', 'limit']);
  if (value.boolean('default')) throw value.invalid('default', 'it has no meaning here');
  const [request, limit] = [readQuantity(value, 'request'), readQuantity(value, 'limit')];
  if (request !== undefined && limit !== undefined && request > limit) {
    throw value.invalid('request', `${request} is more than the limit of ${limit}`);
  }
  return { ...(request !== undefined && { request }), ...(limit !== undefined && { limit }) };
}

function readCapabilities(fields: IsolatorFields): readonly string[] {
  const value = fields.requiredObject('value', ['set']);
  return readSet(value, (name) => knownCapabilities.has(name), 'no capability of capabilities(7)');
}

function readSeccomp(fields: IsolatorFields): AppcSeccompSet {
  const value = fields.requiredObject('value', ['set', 'errno']);
  const set = readSet(value, (name) => syscallGrammar.test(name), 'no name of a system call');
  const errno = value.string('errno');
  if (errno && !errnoGrammar.test(errno)) throw value.invalid('errno', `${quote(errno)} is no name of an error`);
  return { set, ...(errno && { errno }) };
}

function readSet<Name extends string>(
  fields: JsonFields<Name | 'set'>,
  isName: (name: string) => boolean,
  fault: string,
): readonly string[] {
  const set = fields.strings('set');
  if (set.length === 0) throw fields.invalid('set', 'want at least one');
  set.forEach((name, index) => {
    if (!isName(name)) throw fields.invalidElement('set', index, `${quote(name)} is ${fault}`);
  });
  return set;
}

function readSysctls(fields: IsolatorFields): ReadonlyMap<string, string> {
  const sysctls = fields.stringMap('value');
  for (const key of sysctls.keys()) {
    if (!sysctlGrammar.test(key)) throw fields.invalidMember('value', key, 'no name of a kernel parameter');
  }
  return sysctls;
}
