import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../src/challenge.js';

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('parseChallenges', () => {
  it.each([
    [
      'Bearer realm="https://a/t",service="s",scope="x:y:pull,push"',
      [['bearer', { realm: 'https://a/t', service: 's', scope: 'x:y:pull,push' }]],
    ],
    ['BASIC Realm=here', [['basic', { realm: 'here' }]]],
    [
      'Negotiate, Basic realm="a, b", Bearer realm = "c"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c' }],
      ],
    ],
    ['Bearer realm="say \\"hi\\""', [['bearer', { realm: 'say "hi"' }]]],
    ['Bearer realm="without end', [['bearer', {}]]],
    ['realm="of nobody"', []],
    ['', []],
  ])('reads %s', (header, expected) => {
    expect(read(header)).toEqual(expected);
  });

  it('reads back what RFC 9110 allows in a quoted string', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...' !"#,=\\abcxyz019:/') }), (value) => {
        const quoted = value.replace(/["\\]/g, '\\$&');
        expect(read(`Bearer realm="${quoted}",service=s`)).toEqual([['bearer', { realm: value, service: 's' }]]);
      }),
    );
  });

  it('takes linear time', () => {
    for (const unit of ['a', 'a=', 'a="', '"\\', ' ,', 'Bearer a="b",']) {
      const before = performance.now();
      parseChallenges(unit.repeat(300_000));
      expect(performance.now() - before).toBeLessThan(250);
    }
  });
});
