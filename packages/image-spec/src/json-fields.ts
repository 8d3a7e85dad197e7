import { GantryError } from '@gantry/interface';
import { elementPath, memberPath } from './json-path.js';
import type { JsonObject, JsonValue } from './json-value.js';

/**
 * Reads the known fields of one object of a document, typed; every fault is an `INVALID_DOCUMENT` with its JSON path.
 * Absent and null are the same, as they are to the Go programs that write these documents. A key that differs from a
 * known one in nothing but case is refused, because those programs would take it for the known one.
 */
export class JsonFields<Name extends string> {
  readonly #what: string;
  readonly #path: string;
  readonly #object: JsonObject;

  constructor(what: string, path: string, value: JsonValue | undefined, names: readonly Name[]) {
    this.#what = what;
    this.#path = path;
    if (!isJsonObject(value)) throw invalid(what, path, 'want an object');
    this.#object = value;
    const known = new Map(names.map((name) => [name.toLowerCase(), name]));
    for (const key of Object.keys(value)) {
      const name = known.get(key.toLowerCase());
      if (name !== undefined && name !== key) throw invalid(what, memberPath(path, key), `must be spelt ${name}`);
    }
  }

  has(name: Name): boolean {
    return this.#value(name) !== undefined;
  }

  /** The fields of a member object; undefined if absent. */
  object<Inner extends string>(name: Name, names: readonly Inner[]): JsonFields<Inner> | undefined {
    const value = this.#value(name);
    return value === undefined ? undefined : new JsonFields(this.#what, this.pathOf(name), value, names);
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
    const value = this.#value(name);
    if (value !== undefined && typeof value !== 'string') throw this.invalid(name, 'want a string');
    return value;
  }

  strings(name: Name): string[] {
    return this.#array(name).map((value, index) => {
      if (typeof value === 'string') return value;
      throw invalid(this.#what, elementPath(this.pathOf(name), index), 'want a string');
    });
  }

  /** A whole number, zero or more, that must be there. */
  size(name: Name): number {
    const value = this.#value(name);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.invalid(name, 'want a whole number, zero or more');
  }

  /** An object of strings; empty if absent. */
  stringMap(name: Name): Map<string, string> {
    const entries = this.#entries(name).map(([key, value]): [string, string] => {
      if (typeof value === 'string') return [key, value];
      throw invalid(this.#what, memberPath(this.pathOf(name), key), 'want a string');
    });
    return new Map(entries);
  }

  /** The keys of an object used as a set; empty if absent. */
  keys(name: Name): string[] {
    return this.#entries(name).map(([key]) => key);
  }

  pathOf(name: Name): string {
    return memberPath(this.#path, name);
  }

  invalid(name: Name, reason: string): GantryError {
    return invalid(this.#what, this.pathOf(name), reason);
  }

  #value(name: Name): JsonValue | undefined {
    return this.#object[name] ?? undefined;
  }

  #array(name: Name): readonly JsonValue[] {
    const value = this.#value(name) ?? [];
    if (!Array.isArray(value)) throw this.invalid(name, 'want an array');
    return value;
  }

  #entries(name: Name): [string, JsonValue | undefined][] {
    const value = this.#value(name) ?? {};
    if (!isJsonObject(value)) throw this.invalid(name, 'want an object');
    return Object.entries(value);
  }
}

function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string, path: string, reason: string): GantryError {
  return new GantryError('INVALID_DOCUMENT', `${what} at ${path}: ${reason}`, { details: { path } });
}
