import { GantryError } from '@gantry/interface';

/** Fails with `INVALID_ARGUMENT` for a field of the caller's, saying what it should be. */
export function invalid(field: string, message: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${field}: ${message}`, { details: { field } });
}

/** A check of one value; throws `INVALID_ARGUMENT` naming the field. */
export type Check = (value: unknown, field: string) => void;

export const string: Check = (value, field) => {
  if (typeof value !== 'string' || value.includes('\0')) throw invalid(field, 'must be a string without NUL bytes');
};

export const nonEmptyString: Check = (value, field) => {
  string(value, field);
  if (value === '') throw invalid(field, 'must not be empty');
};

export const absolutePath: Check = (value, field) => {
  nonEmptyString(value, field);
  if (!(value as string).startsWith('/')) throw invalid(field, `must be an absolute path, not '${String(value)}'`);
};

export const boolean: Check = (value, field) => {
  if (typeof value !== 'boolean') throw invalid(field, 'must be true or false');
};

export function integer(min: number, max: number, what = 'a whole number'): Check {
  return (value, field) => {
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw invalid(field, `must be ${what} from ${min} to ${max}`);
    }
  };
}

export const positive: Check = (value, field) => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
    throw invalid(field, 'must be a number above 0');
};

export const count: Check = (value, field) => {
  if (value !== Number.POSITIVE_INFINITY) integer(1, Number.MAX_SAFE_INTEGER)(value, field);
};

export function oneOf(...values: readonly string[]): Check {
  return (value, field) => {
    if (!values.includes(value as string)) throw invalid(field, `must be one of ${values.join(', ')}`);
  };
}

export function list(item: Check): Check {
  return (value, field) => {
    if (!Array.isArray(value)) throw invalid(field, 'must be an array');
    // A hole is an entry, too.
    for (const [index, entry] of value.entries()) item(entry, `${field}[${index}]`);
  };
}

/** An object whose keys are the caller's own, each checked, with checked values. */
export function record(key: Check, item: Check): Check {
  return (value, field) => {
    for (const [name, entry] of Object.entries(plainObject(value, field))) {
      key(name, `${field} name '${name}'`);
      item(entry, `${field}.${name}`);
    }
  };
}

/** An object with just these fields, all optional but the required ones: an unknown one is a mistake, never ignored. */
export function object(fields: Readonly<Record<string, Check>>, required: readonly string[] = []): Check {
  return (value, field) => {
    const given = plainObject(value, field);
    for (const [name, entry] of Object.entries(given)) {
      const check = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (!check) throw invalid(`${field}.${name}`, `is not a field; ${field} has ${Object.keys(fields).join(', ')}`);
      if (entry !== undefined) check(entry, `${field}.${name}`);
    }
    for (const name of required) {
      if (given[name] === undefined) throw invalid(`${field}.${name}`, 'is required');
    }
  };
}

const maxDepth = 32;

/** What JSON can hold, or leaves out, nested in no more than 32 levels. */
export const json: Check = (value, field) => jsonWithin(value, field, maxDepth);

function jsonWithin(value: unknown, field: string, depth: number): void {
  if (value === undefined || value === null) return;
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return;
  const isList = Array.isArray(value);
  // Whatever realm it is of.
  if (!isList && Object.prototype.toString.call(value) !== '[object Object]') {
    throw invalid(field, 'must be what JSON can hold');
  }
  if (depth === 0) throw invalid(field, `is nested in more than ${maxDepth} levels`);
  const within: Check = (entry, place) => jsonWithin(entry, place, depth - 1);
  if (isList) list(within)(value, field);
  else record(() => undefined, within)(value, field);
}

function plainObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'must be an object');
  return value as Record<string, unknown>;
}
