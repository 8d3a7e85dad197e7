import type { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';
import { isAcIdentifier } from './ac-types.js';

const pairFields = ['name', 'value'] as const;

/** Reads a list of `{name, value}`, as labels and annotations are: names are AC Identifiers, each once, values any text. */
export function readNamedValues<Name extends string>(
  fields: JsonFields<Name>,
  name: Name,
): ReadonlyMap<string, string> {
  return readPairs(fields, name, isAcIdentifier);
}

/** Reads labels: as {@link readNamedValues}, and none is called `name`. appc 0.8, aci.md#image-manifest-schema. */
export function readLabels<Name extends string>(fields: JsonFields<Name>, name: Name): ReadonlyMap<string, string> {
  return readPairs(fields, name, (label) => isAcIdentifier(label) && label !== 'name');
}

/** Reads environment variables, each once. Their names may have dots and dashes too. */
export function readEnvironment<Name extends string>(
  fields: JsonFields<Name>,
  name: Name,
): ReadonlyMap<string, string> {
  return readPairs(fields, name, (variable) => /^[A-Za-z_][A-Za-z0-9_.-]{0,1023}$/.test(variable), '\0');
}

function readPairs<Name extends string>(
  fields: JsonFields<Name>,
  list: Name,
  isName: (name: string) => boolean,
  forbidden?: string,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const pair of fields.objects(list, pairFields)) {
    const name = pair.requiredString('name');
    const value = pair.string('value');
    if (!isName(name)) throw pair.invalid('name', `${quote(name)} is not allowed as a name here`);
    if (values.has(name)) throw pair.invalid('name', `${quote(name)} comes twice`);
    if (value === undefined) throw pair.invalid('value', 'missing');
    if (forbidden !== undefined && value.includes(forbidden)) throw pair.invalid('value', 'it has a NUL character');
    values.set(name, value);
  }
  return values;
}
