import { invalidField } from '../../errors.js';

/** An object of a document that nobody has checked yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** An object with no fields but these: what it asks for is never passed over. */
export function objectOf(value: unknown, field: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidField(field, 'must be an object');
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalidField(`${field}.${unknown}`, `is not a field; there are ${known.join(', ')}`);
  // Without what its prototype has.
  return Object.assign(Object.create(null), value);
}

export function listOf<T>(value: unknown, field: string, read: (item: unknown, field: string) => T): T[] {
  if (!Array.isArray(value)) throw invalidField(field, 'must be an array');
  return value.map((item: unknown, index) => read(item, `${field}[${index}]`));
}

export function stringOf(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '') throw invalidField(field, 'must be a string that is not empty');
  return value;
}

export function integerOf(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalidField(field, 'must be a whole number');
  return value;
}

/** What Go writes as null is left out, as what is. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}
