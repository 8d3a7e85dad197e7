import { GantryError } from '@gantry/interface';
import { quote } from '../quote.js';
import { isDateTime } from './date-time.js';
import { decodeJson } from './decode-json.js';
import { elementPath, memberPath } from './json-path.js';
import type { JsonObject, JsonValue } from './json-value.js';

/**
 * Reads the known fields of one object of a document, typed; every fault is an `INVALID_DOCUMENT` with its JSON path.
 * Absent and null are the same, as they are to the Go programs that write these documents. A key that differs from a
 * known one in nothing but case is refused, because those programs would take it for the known one.
 */
export class JsonFields<Name extends string> {
  /** The whole object, unknown fields included. */
  readonly raw: JsonObject;
  readonly #what: string;
  readonly #path: string;

  constructor(what: string, path: string, value: JsonValue | undefined, names: readonly Name[]) {
    this.#what = what;
    this.#path = path;
    if (!isJsonObject(value)) throw invalidDocument(what, path, 'want an object');
    this.raw = value;
    const spellings = new Map(names.map((name) => [name.toLowerCase(), name]));
    const known: ReadonlySet<string> = new Set(names);
    for (const key of Object.keys(value)) {
      const name = spellings.get(key.toLowerCase());
      if (name !== undefined && !known.has(key)) {
        throw invalidDocument(what, memberPath(path, key), `must be spelt ${name}`);
      }
    }
  }

  /** Decodes a document whose root is an object. `what` names it in errors. */
  static decode<Name extends string>(what: string, bytes: Uint8Array, names: readonly Name[]): JsonFields<Name> {
    return new JsonFields(what, '$', decodeJson(bytes, { what }), names);
  }

  has(name: Name): boolean {
    return this.value(name) !== undefined;
  }

  /** The member as it is; undefined if absent or null. */
  value(name: Name): JsonValue | undefined {
    return this.raw[name] ?? undefined;
  }

  /** The fields of a member object; undefined if absent. */
  object<Inner extends string>(name: Name, names: readonly Inner[]): JsonFields<Inner> | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : new JsonFields(this.#what, this.pathOf(name), value, names);
  }

  /** The fields of a member object that must be there. */
  requiredObject<Inner extends string>(name: Name, names: readonly Inner[]): JsonFields<Inner> {
    const fields = this.object(name, names);
    if (fields === undefined) throw this.invalid(name, 'missing');
    return fields;
  }

  /** The fields of each object in a member array; empty if absent. */
  objects<Inner extends string>(name: Name, names: readonly Inner[]): JsonFields<Inner>[] {
    return this.#array(name).map(
      (value, index) => new JsonFields(this.#what, elementPath(this.pathOf(name), index), value, names),
    );
  }

  /** A string that must be there and not be empty. */
  requiredString(name: Name): string {
    const value = this.string(name);
    if (value === undefined || value === '') throw this.invalid(name, 'want a string that is not empty');
    return value;
  }

  string(name: Name): string | undefined {
    const value = this.value(name);
    if (value !== undefined && typeof value !== 'string') throw this.invalid(name, 'want a string');
    return value;
  }

  strings(name: Name): string[] {
    return this.#array(name).map((value, index) => {
      if (typeof value === 'string') return value;
      throw this.invalidElement(name, index, 'want a string');
    });
  }

  /** A whole number, zero or more, that must be there. */
  size(name: Name): number {
    const value = this.optionalSize(name);
    if (value === undefined) throw this.invalid(name, 'want a whole number, zero or more');
    return value;
  }

  /** A whole number, zero or more; undefined if absent. */
  optionalSize(name: Name): number | undefined {
    const value = this.value(name);
    if (value === undefined || isSize(value)) return value;
    throw this.invalid(name, 'want a whole number, zero or more');
  }

  /** Whole numbers, zero or more; empty if absent. */
  sizes(name: Name): number[] {
    return this.#array(name).map((value, index) => {
      if (isSize(value)) return value;
      throw this.invalidElement(name, index, 'want a whole number, zero or more');
    });
  }

  /** A time as RFC 3339 writes it; undefined if absent. */
  dateTime(name: Name): string | undefined {
    const text = this.string(name);
    if (text !== undefined && !isDateTime(text)) throw this.invalid(name, `${quote(text)} is no RFC 3339 time`);
    return text;
  }

  /** True or false; undefined if absent. */
  boolean(name: Name): boolean | undefined {
    const value = this.value(name);
    if (value !== undefined && typeof value !== 'boolean') throw this.invalid(name, 'want true or false');
    return value;
  }

  /** An object of strings; empty if absent. */
  stringMap(name: Name): Map<string, string> {
    const entries = this.#entries(name).map(([key, value]): [string, string] => {
      if (typeof value === 'string') return [key, value];
      throw this.invalidMember(name, key, 'want a string');
    });
    return new Map(entries);
  }

  /** The keys of an object used as a set, whose values are empty objects; none if absent. */
  keys(name: Name): string[] {
    return this.#entries(name).map(([key, value]) => {
      if ((value ?? null) === null || isJsonObject(value)) return key;
      throw this.invalidMember(name, key, 'want an object');
    });
  }

  /** The fields of each object in an object whose keys are data; none if absent. */
  objectMembers<Inner extends string>(name: Name, names: readonly Inner[]): [key: string, fields: JsonFields<Inner>][] {
    return this.#entries(name).map(([key, value]) => [
      key,
      new JsonFields(this.#what, memberPath(this.pathOf(name), key), value, names),
    ]);
  }

  pathOf(name: Name): string {
    return memberPath(this.#path, name);
  }

  invalid(name: Name, reason: string, cause?: unknown): GantryError {
    return invalidDocument(this.#what, this.pathOf(name), reason, cause);
  }

  invalidElement(name: Name, index: number, reason: string): GantryError {
    return invalidDocument(this.#what, elementPath(this.pathOf(name), index), reason);
  }

  invalidMember(name: Name, key: string, reason: string): GantryError {
    return invalidDocument(this.#what, memberPath(this.pathOf(name), key), reason);
  }

  #entries(name: Name): [key: string, value: JsonValue | undefined][] {
    const value = this.value(name) ?? {};
    if (!isJsonObject(value)) throw this.invalid(name, 'want an object');
    return Object.entries(value);
  }

  #array(name: Name): readonly JsonValue[] {
    const value = this.value(name) ?? [];
    if (!Array.isArray(value)) throw this.invalid(name, 'want an array');
    return value;
  }
}

/** The `INVALID_DOCUMENT` for a fault at a JSON path. */
export function invalidDocument(what: string, path: string, reason: string, cause?: unknown): GantryError {
  return new GantryError('INVALID_DOCUMENT', `${what} at ${path}: ${reason}`, { cause, details: { path } });
}

function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
