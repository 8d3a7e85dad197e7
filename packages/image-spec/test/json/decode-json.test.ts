import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeJson, type JsonLimits } from '../../src/index.js';
import { cpuTime } from '../support/cpu-time.js';

const decode = (text: string, limits?: JsonLimits) => decodeJson(new TextEncoder().encode(text), limits);
const fault = (code: string, path: string) =>
  expect.objectContaining({ code, details: expect.objectContaining({ path }) });

describe('decodeJson', () => {
  it('reads what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        // Integers beyond 2^53 are refused; a test of their own shows it.
        fc.pre(!/[0-9]{16}/.test(text));
        expect(JSON.stringify(decode(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('takes nothing that JSON.parse does not, and reads it the same', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b',
      '"',
      '\\',
      '1',
      '-',
      '0',
      '.5',
      'e9',
      'true',
      'null',
      'nul',
      ' ',
      '\n',
      '\u0001',
      '\\u0041',
    );
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 12 }).map((all) => all.join('')),
        (text) => {
          let value: unknown;
          try {
            value = decode(text);
          } catch (error) {
            expect(isGantryError(error, 'INVALID_DOCUMENT')).toBe(true);
            return;
          }
          expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)));
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('throws nothing but its own errors on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          decodeJson(bytes);
        } catch (error) {
          expect(isGantryError(error, 'INVALID_DOCUMENT')).toBe(true);
        }
      }),
    );
  });

  it.each([
    ['{"a":1,"a":2}', '$.a'],
    ['{"a":{"b":1,"\\u0062":2}}', '$.a.b'],
    ['{"__proto__":1,"__proto__":2}', '$.__proto__'],
    ['[0,{"x y":[1,}]', '$[1]["x y"][1]'],
    ['{"a":9007199254740993}', '$.a'],
    ['{"a":-9007199254740993}', '$.a'],
    ['{"a":1e999}', '$.a'],
    ['{"a":"\\ud800"}', '$.a'],
    ['{"a":01}', '$'],
    ['{"a":"x', '$.a'],
    ['{} {}', '$'],
    ['', '$'],
    ['\ufeff{}', '$'],
    ['{a:1}', '$'],
    ['{"a" 1}', '$.a'],
  ])('refuses %s and says where', (text, path) => {
    expect(() => decode(text)).toThrow(fault('INVALID_DOCUMENT', path));
  });

  it('refuses what is not UTF-8', () => {
    expect(() => decodeJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(fault('INVALID_DOCUMENT', '$'));
  });

  it('keeps to its budgets', () => {
    expect(() => decode('"12345678"', { maxBytes: 9 })).toThrow(fault('LIMIT_EXCEEDED', '$'));
    expect(decode('"1234567"', { maxBytes: 9 })).toBe('1234567');
    expect(() => decode('[[[]]]', { maxDepth: 2 })).toThrow(fault('LIMIT_EXCEEDED', '$[0][0]'));
    expect(decode('[[]]', { maxDepth: 2 })).toEqual([[]]);
    expect(() => decode('{"a":[1,2]}', { maxKeys: 2 })).toThrow(fault('LIMIT_EXCEEDED', '$.a[1]'));
    expect(() => decode('{"a":["123","1234"]}', { maxStringLength: 3 })).toThrow(fault('LIMIT_EXCEEDED', '$.a[1]'));
    expect(() => decode('{"a":{"1234":1}}', { maxStringLength: 3 })).toThrow(fault('LIMIT_EXCEEDED', '$.a'));
    expect(decode('["\\u0041\\u0041\\u0041"]', { maxStringLength: 3 })).toEqual(['AAA']);
    expect(() => decode('['.repeat(100_000))).toThrow(fault('LIMIT_EXCEEDED', `$${'[0]'.repeat(64)}`));
    expect(() => decode(`{"${'x'.repeat(5 * 1024 * 1024)}":1}`)).toThrow(fault('LIMIT_EXCEEDED', '$'));
  });

  it('tells faults from where a document stands in another', () => {
    expect(() => decode('{"a":[1,}', { at: '$.history[0].v1' })).toThrow(
      fault('INVALID_DOCUMENT', '$.history[0].v1.a[1]'),
    );
    expect(() => decode('[]', { at: '$.b', maxBytes: 1 })).toThrow(fault('LIMIT_EXCEEDED', '$.b'));
    expect(() => decodeJson(Uint8Array.of(0xff), { at: '$.b' })).toThrow(fault('INVALID_DOCUMENT', '$.b'));
  });

  it('has no special keys', () => {
    const value = decode('{"__proto__":{"polluted":true},"constructor":1}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each([
    ['one long string', `"${'x'.repeat(4_000_000)}"`],
    ['escaped quotes', `"${'\\"'.repeat(2_000_000)}"`],
    ['backslashes', `"${'\\\\'.repeat(2_000_000)}"`],
    ['white space', `${' '.repeat(4_000_000)}1`],
    ['a long number', `[${'1'.repeat(4_000_000)}]`],
    ['400 000 keys', `{${Array.from({ length: 400_000 }, (_, index) => `"${index.toString(36)}":1`).join(',')}}`],
  ])('takes little time over %s', (_, text) => {
    const bytes = new TextEncoder().encode(text);
    const spent = cpuTime(() => {
      try {
        decodeJson(bytes);
      } catch (error) {
        expect(isGantryError(error)).toBe(true);
      }
    });
    expect(spent).toBeLessThan(1000);
  });
});
