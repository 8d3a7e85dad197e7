import { type ErrorCode, GantryError } from '@gantry/interface';
import { elementPath, memberPath } from './json-path.js';
import type { JsonValue } from './json-value.js';

const numberToken = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const loneSurrogate = /\p{Surrogate}/u;
const literals: ReadonlyMap<string, readonly [text: string, value: JsonValue]> = new Map([
  ['t', ['true', true]],
  ['f', ['false', false]],
  ['n', ['null', null]],
]);

interface ReaderLimits {
  readonly what: string;
  /** The JSON path of the root. */
  readonly at: string;
  readonly maxDepth: number;
  readonly maxKeys: number;
  readonly maxStringLength: number;
}

/** A JSON parser (RFC 8259) that keeps the path of where it is, counts what it makes and refuses a key given twice. */
export class JsonReader {
  readonly #text: string;
  readonly #limits: ReaderLimits;
  /** Keys and indices from the root to the value being read. */
  readonly #trail: (string | number)[] = [];
  #at = 0;
  #members = 0;

  constructor(text: string, limits: ReaderLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  readDocument(): JsonValue {
    const value = this.#readValue();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#invalid('more text after the end');
    return value;
  }

  #readValue(): JsonValue {
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '{') return this.#readObject();
    if (first === '[') return this.#readArray();
    if (first === '"') return this.#readString();
    const literal = literals.get(first ?? '');
    if (literal === undefined) return this.#readNumber();
    if (!this.#text.startsWith(literal[0], this.#at)) throw this.#invalid('not a JSON value');
    this.#at += literal[0].length;
    return literal[1];
  }

  #readObject(): JsonValue {
    const object: Record<string, JsonValue> = Object.create(null);
    this.#open();
    if (this.#takes('}')) return object;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') throw this.#invalid('want a key');
      const key = this.#readString();
      this.#enter(key);
      if (key in object) throw this.#invalid('the key is given twice');
      if (!this.#takes(':')) throw this.#invalid('want a colon after the key');
      object[key] = this.#readValue();
      this.#trail.pop();
    } while (this.#takes(','));
    if (!this.#takes('}')) throw this.#invalid('want a comma or the end of the object');
    return object;
  }

  #readArray(): JsonValue {
    const array: JsonValue[] = [];
    this.#open();
    if (this.#takes(']')) return array;
    do {
      this.#enter(array.length);
      array.push(this.#readValue());
      this.#trail.pop();
    } while (this.#takes(','));
    if (!this.#takes(']')) throw this.#invalid('want a comma or the end of the array');
    return array;
  }

  #open(): void {
    this.#at++;
    if (this.#trail.length >= this.#limits.maxDepth) {
      throw this.#fault('LIMIT_EXCEEDED', `nested deeper than ${this.#limits.maxDepth} levels`);
    }
  }

  #enter(step: string | number): void {
    this.#trail.push(step);
    if (++this.#members > this.#limits.maxKeys) {
      throw this.#fault('LIMIT_EXCEEDED', `more than ${this.#limits.maxKeys} keys and elements`);
    }
  }

  /** JSON.parse decodes the token once its end is known: it is native, and strict about escapes and control characters. */
  #readString(): string {
    const start = this.#at;
    let end = this.#text.indexOf('"', start + 1);
    while (end > 0 && this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    if (end < 0) throw this.#invalid('a string without end');
    this.#at = end + 1;
    let value: string;
    try {
      value = JSON.parse(this.#text.slice(start, this.#at)) as string;
    } catch (cause) {
      throw this.#invalid('a string with a bad escape or a raw control character', cause);
    }
    if (value.length > this.#limits.maxStringLength) {
      throw this.#fault('LIMIT_EXCEEDED', `a string of more than ${this.#limits.maxStringLength} characters`);
    }
    if (loneSurrogate.test(value)) throw this.#invalid('a string with half of a surrogate pair');
    return value;
  }

  #isEscaped(quoteAt: number): boolean {
    let slashes = 0;
    while (this.#text[quoteAt - 1 - slashes] === '\\') slashes++;
    return slashes % 2 === 1;
  }

  #readNumber(): number {
    numberToken.lastIndex = this.#at;
    const [token, fraction, exponent] = numberToken.exec(this.#text) ?? [];
    if (token === undefined) throw this.#invalid('not a JSON value');
    const value = Number(token);
    const isInteger = fraction === undefined && exponent === undefined;
    if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) {
      throw this.#invalid('a number that JavaScript cannot hold exactly');
    }
    this.#at += token.length;
    return value;
  }

  #takes(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #invalid(reason: string, cause?: unknown): GantryError {
    return this.#fault('INVALID_DOCUMENT', `${reason} (character ${this.#at})`, cause);
  }

  #fault(code: ErrorCode, reason: string, cause?: unknown): GantryError {
    const path = this.#trail.reduce<string>(
      (parent, step) => (typeof step === 'number' ? elementPath(parent, step) : memberPath(parent, step)),
      this.#limits.at,
    );
    return new GantryError(code, `${this.#limits.what} at ${path}: ${reason}`, { cause, details: { path } });
  }
}
