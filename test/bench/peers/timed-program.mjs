import { millisecondsOf } from '../driven-program.mjs';

/**
 * Has a program of a sandbox, one that takes a line for each run and answers with its time, do one run after the other.
 * @param {import('../pull/sandbox.mjs').Program} program
 * @returns {() => Promise<number>} Does one, and gives its milliseconds.
 */
export function timed(program) {
  const answers = program.lines[Symbol.asyncIterator]();
  return async () => {
    program.input.write('\n');
    const answer = await answers.next();
    // It says why.
    if (answer.done) await program.ended();
    return millisecondsOf(program.name, answer);
  };
}
