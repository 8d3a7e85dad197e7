import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addAnswer, noAnswers } from '../src/health/tally.js';

const usual = { successes: 1, failures: 3 };

/** The states after each of a row of answers: `+`, `-`, and `~` for a failure within the grace period. `?`: unknown. */
function states(answers: string, thresholds = usual): string {
  let tally = noAnswers;
  const letters = { unknown: '?', healthy: 'H', unhealthy: 'U' };
  return [...answers]
    .map((answer) => {
      tally = addAnswer(tally, answer === '+', answer === '~', thresholds);
      return letters[tally.state];
    })
    .join('');
}

describe('a tally of answers', () => {
  it.each([
    ['+', 'H'],
    ['---', '??U'],
    ['--+--', '??HHH'],
    ['+--+---+', 'HHHHHHUH'],
    ['~~~~~', '?????'],
    ['~~--', '????'],
    ['+~~~', 'HHHU'],
    ['~---~+', '???UUH'],
  ])('%s is %s', (answers, expected) => {
    expect(states(answers)).toBe(expected);
  });

  it('wants as many in a row as it is told', () => {
    expect(states('++-+++--', { successes: 3, failures: 2 })).toBe('?????HHU');
    expect(states('-', { successes: 1, failures: 1 })).toBe('U');
  });

  it('is what the end of the row says, wherever nothing is in grace', () => {
    const answers = fc.string({ unit: fc.constantFrom('+', '-'), minLength: 1, maxLength: 30 });
    const count = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(answers, count, count, (row, successes, failures) => {
        // The last run that is long enough, of either kind, decides.
        const runs = row.match(/\++|-+/g) ?? [];
        const last = runs.filter((run) => run.length >= (run[0] === '+' ? successes : failures)).at(-1);
        const expected = last === undefined ? '?' : last[0] === '+' ? 'H' : 'U';
        expect(states(row, { successes, failures }).at(-1)).toBe(expected);
      }),
    );
  });
});
