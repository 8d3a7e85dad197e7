import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatReference, parseReference, parseRegistry } from '../src/index.js';
import { cpuTime } from './support/cpu-time.js';

const hex = 'ab'.repeat(32);

describe('parseReference', () => {
  it.each([
    ['redis', 'docker.io/library/redis:latest'],
    ['redis:7', 'docker.io/library/redis:7'],
    ['bitnami/redis', 'docker.io/bitnami/redis:latest'],
    ['docker.io/redis', 'docker.io/library/redis:latest'],
    ['index.docker.io/redis', 'docker.io/library/redis:latest'],
    ['localhost/a', 'localhost/a:latest'],
    ['LOCALHOST/a', 'localhost/a:latest'],
    ['localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c:v1'],
    ['Registry.Example/a', 'registry.example/a:latest'],
    ['[::1]:5000/a', '[::1]:5000/a:latest'],
    ['[0:0:0:0:0:0:0:1]/a:T', '[::1]/a:T'],
    ['127.0.0.1:5000/a', '127.0.0.1:5000/a:latest'],
    [`redis@sha256:${hex}`, `docker.io/library/redis@sha256:${hex}`],
    [`gcr.io/a/b:1@sha512:${hex}${hex}`, `gcr.io/a/b:1@sha512:${hex}${hex}`],
    ['a__b/c-d--e.f_g', 'docker.io/a__b/c-d--e.f_g:latest'],
    [`a:_${'x'.repeat(127)}`, `docker.io/library/a:_${'x'.repeat(127)}`],
    [hex, `docker.io/library/${hex}:latest`],
  ])('reads %s', (text, canonical) => {
    expect(formatReference(parseReference(text))).toBe(canonical);
  });

  it.each([
    '',
    'Redis',
    'a/Redis',
    'library/',
    '/a',
    'a//b',
    'a/../b',
    'a/%2e%2e/b',
    'a?b',
    'a#b',
    'a b',
    'a\r\nb',
    'a\n',
    'a:',
    'a:tag\n',
    'a:.x',
    `a:${'x'.repeat(129)}`,
    'a:b:c',
    'a@',
    'a@sha256:../../x',
    'a@sha256:abcd',
    `a@sha256:${hex.toUpperCase()}`,
    `a@md5:${hex}`,
    `a@sha256:${hex}@sha256:${hex}`,
    'https://docker.io/redis',
    'user@host/a',
    'host:99999/a',
    'host:0/a',
    'host.example:/a',
    '0x7f.1/a',
    '1.2.3/a',
    '[::1/a',
    '[zz::1]/a',
    '-a.example/b',
    'a_b.example/c',
    'a...b/c',
    `${'a'.repeat(256)}`,
    'a-',
    '_a',
    'a___b',
    'ä/b',
  ])('refuses %j', (text) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'reference' } }),
    );
  });

  it('escapes and shortens what it quotes', () => {
    expect(() => parseReference(`a\u001b[31m${'x'.repeat(500)}`)).toThrow(/^reference "a\\u001b\[31mx{1,80}…": /);
  });

  it('reads back what it formats', () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}$/);
    const registry = fc.oneof(
      fc.constantFrom('docker.io', 'localhost', 'localhost:5000', '[::1]:5000', '[2001:db8::1]'),
      fc
        .tuple(fc.domain(), fc.option(fc.integer({ min: 1, max: 65_535 })))
        .map(([name, port]) => (port ? `${name}:${port}` : name)),
    );
    const reference = fc.record(
      {
        registry,
        repository: fc.array(word, { minLength: 2, maxLength: 4 }).map((words) => words.join('/')),
        tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
        digest: fc.stringMatching(/^[0-9a-f]{64}$/).map((digits) => `sha256:${digits}` as const),
      },
      { requiredKeys: ['registry', 'repository', 'tag'] },
    );
    fc.assert(
      fc.property(reference, (value) => {
        expect(parseReference(formatReference(value))).toEqual(value);
      }),
    );
  });

  it('either fails as it should or is stable, whatever the text', () => {
    // UTF-16 units, lone surrogates among them.
    const anyText = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units));
    const pieces = fc.constantFrom(
      'a',
      'B',
      '0',
      '.',
      ':',
      '/',
      '@',
      '-',
      '_',
      '[',
      ']',
      'sha256:',
      hex,
      'localhost',
      '%',
      '\n',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.array(pieces).map((all) => all.join('')),
        ),
        (text) => {
          try {
            const canonical = formatReference(parseReference(text));
            expect(formatReference(parseReference(canonical))).toBe(canonical);
          } catch (error) {
            expect(isGantryError(error, 'INVALID_ARGUMENT')).toBe(true);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('takes no time for 300 000 characters, and linear time up to its cap', () => {
    for (const unit of ['a', 'a-', 'a.', 'a/', '-', '[', ':', '@', '__']) {
      for (const length of [300_000, 1024]) {
        const text = `${unit.repeat(length / unit.length)}!`;
        expect(cpuTime(() => expect(() => parseReference(text)).toThrow())).toBeLessThan(100);
      }
    }
  });
});

describe('parseRegistry', () => {
  it.each([
    ['Docker.IO', 'docker.io'],
    ['index.docker.io', 'docker.io'],
    ['registry', 'registry'],
    ['[::1]:5000', '[::1]:5000'],
  ])('reads %s', (text, name) => {
    expect(parseRegistry(text)).toBe(name);
  });

  it.each(['', 'a/b', 'https://a', 'a b', 'a:b', 'a:', 'a:01', 'user@a', '010.0.0.1'])('refuses %j', (text) => {
    expect(() => parseRegistry(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'registry' } }),
    );
  });
});
