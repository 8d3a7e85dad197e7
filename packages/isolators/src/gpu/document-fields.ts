import { GantryError } from '@gantry/interface';

/** Where in which document a value is. */
export interface Place {
  /** The file, or how else people know the document. */
  readonly file: string;
  /** The JSON path; empty for the document itself. */
  readonly path: string;
}

/** `INVALID_DOCUMENT`, with the file and the JSON path of the fault. */
export function fault({ file, path }: Place, problem: string): GantryError {
  const field = path === '' ? 'the document' : path;
  return new GantryError('INVALID_DOCUMENT', `${file}: ${field}: ${problem}`, { details: { file, path } });
}

/** Reads one value, which is there. */
export type Reader<T> = (value: unknown, place: Place) => T;

export function matching(pattern: RegExp, problem: string): Reader<string> {
  return (value, place) => {
    if (typeof value !== 'string' || value.includes('\0') || !pattern.test(value)) throw fault(place, problem);
    return value;
  };
}

export const text = matching(/^/, 'must be a string without NUL bytes');
export const nonEmpty = matching(/./s, 'must be a string, not empty, without NUL bytes');
export const absolute = matching(/^\//, 'must be an absolute path');

export const boolean: Reader<boolean> = (value, place) => {
  if (typeof value !== 'boolean') throw fault(place, 'must be true or false');
  return value;
};

export function integer(low: number, high: number): Reader<number> {
  return (value, place) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) return value;
    throw fault(place, `must be a whole number from ${low} to ${high}`);
  };
}

export function oneOf<T extends string>(values: readonly T[]): Reader<T> {
  return (value, place) => {
    const found = values.find((each) => each === value);
    if (found === undefined) throw fault(place, `must be one of ${values.join(', ')}`);
    return found;
  };
}

export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw fault(place, 'must be a list');
    return value.map((each, index) => item(each, { ...place, path: `${place.path}[${index}]` }));
  };
}

export const textByName: Reader<Readonly<Record<string, string>>> = (value, place) => {
  const entries = Object.entries(plainObject(value, place));
  return Object.fromEntries(entries.map(([name, each]) => [name, text(each, within(place, name))]));
};

/** The readers of an object's fields; of those that may be left out, `optional`. */
export type Fields<T> = { readonly [K in keyof T]-?: undefined extends T[K] ? Optional<T[K]> : Reader<T[K]> };

interface Optional<T> {
  readonly optional: Reader<Exclude<T, undefined>>;
}

export function optional<T>(reader: Reader<T>): { readonly optional: Reader<T> } {
  return { optional: reader };
}

/** An object with just these fields: an unknown one is a mistake, never passed over. */
export function object<T extends object>(fields: Fields<T>): Reader<T> {
  const readers = new Map(Object.entries(fields) as [string, Reader<unknown> | Optional<unknown>][]);
  return (value, place) => {
    const given = plainObject(value, place);
    const unknown = Object.keys(given).find((name) => !readers.has(name));
    if (unknown !== undefined) throw fault(within(place, unknown), 'there is no such field');
    const read: Record<string, unknown> = {};
    for (const [name, reader] of readers) {
      const each = given[name];
      const at = within(place, name);
      if (each !== undefined) read[name] = (typeof reader === 'function' ? reader : reader.optional)(each, at);
      else if (typeof reader === 'function') throw fault(at, 'is missing');
    }
    return read as T;
  };
}

function within({ file, path }: Place, name: string): Place {
  return { file, path: path === '' ? name : `${path}.${name}` };
}

function plainObject(value: unknown, place: Place): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fault(place, 'must be an object');
  return value as Readonly<Record<string, unknown>>;
}
