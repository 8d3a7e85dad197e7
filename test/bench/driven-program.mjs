import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A program that answers each line with `<microseconds> <exit status>` of one run. */
export class DrivenProgram {
  #child;
  #answers;

  /**
   * @param {string} command
   * @param {readonly string[]} args
   */
  constructor(command, args) {
    this.name = [command, ...args].join(' ');
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * Does one run.
   * @returns {Promise<number>} Its milliseconds.
   */
  async run() {
    this.#child.stdin.write('\n');
    return millisecondsOf(this.name, await this.#answers.next());
  }

  async close() {
    const closed = once(this.#child, 'close');
    this.#child.stdin.end();
    await closed;
  }
}

/**
 * What an answer says.
 * @param {string} name For errors.
 * @param {IteratorResult<string>} answer
 * @returns {number}
 */
export function millisecondsOf(name, { value, done }) {
  if (done) throw new Error(`${name}: ended before its answer`);
  const [microseconds, status] = String(value).split(' ').map(Number);
  if (microseconds === undefined || status !== 0) throw new Error(`${name}: the run ended with status ${status}`);
  return microseconds / 1000;
}
