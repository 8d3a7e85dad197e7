import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** @import { Point } from './plan.mjs' */

/**
 * Strace, attached to a host program and following whatever it starts. Counts calls from when it was attached, for each
 * thread of its own.
 */
export class Strace {
  #child;
  #output;
  #ended;

  /**
   * @param {import('node:child_process').ChildProcess} child
   * @param {string} output
   */
  constructor(child, output) {
    this.#child = child;
    this.#output = output;
    this.#ended = once(child, 'exit');
  }

  /**
   * Resolves when every call is seen.
   *
   * @param {number} pid
   * @param {Extract<Point, { type: 'call' | 'error' }>} point
   * @param {string} output A file for what is traced.
   */
  static async attach(pid, point, output) {
    const when = point.type === 'error' && point.onwards ? onwards(point) : String(point.nth);
    const what = point.type === 'error' ? `error=${point.error}` : 'signal=SIGKILL';
    const options = ['-f', '-qq', '-o', output, '-e', `trace=${point.call}`, '-e', 'signal=none'];
    const child = spawn('strace', [...options, '-e', `inject=${point.call}:${what}:when=${when}`, '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const strace = new Strace(child, output);
    while (!isTraced(pid)) {
      if (child.exitCode !== null) throw new Error(`strace could not be attached to ${pid}`);
      await delay(2);
    }
    return strace;
  }

  /**
   * Lets go of all that it traces. By its death, since one that is asked to do so waits for ever for a process that waits
   * for its child's exec.
   */
  async detach() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Whether a call was struck. */
  hasStruck() {
    return /\(INJECTED\)$|= \?$/m.test(readFileSync(this.#output, 'utf8'));
  }
}

/** A control group that is busy is tried for ten seconds, each of four: for a while will do. @param {{ call: string, nth: number }} point */
const onwards = ({ call, nth }) => (call === 'rmdir' ? `${nth}..${nth + 20}` : `${nth}+`);

/** Whether every thread of a process is traced. @param {number} pid */
function isTraced(pid) {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')),
  );
}
