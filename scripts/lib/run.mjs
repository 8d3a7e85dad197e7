import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { root } from './paths.mjs';

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd] Default: the top of the repository.
 * @property {Record<string, string>} [env] On top of this process's.
 * @property {(line: string) => void} [onLine] Called for each line as it comes; then `output` stays empty.
 */

/**
 * @typedef {object} RunResult
 * @property {number} status As a shell's: 127 if the command could not be started, 128 and the signal if it was killed.
 * @property {string} output Standard output and standard error, as they came.
 */

/** The failure of a command or of the host to offer what a script needs: its message is for people, its stack for nobody. */
export class ScriptError extends Error {}

/**
 * Runs a command to its end. Never rejects.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
export function run(command, args, { cwd = root, env = {}, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      if (onLine) createInterface({ input: stream }).on('line', onLine);
      else stream.setEncoding('utf8').on('data', (text) => (output += text));
    }
    child.on('error', (error) => resolve({ status: 127, output: `${command}: ${error.message}\n` }));
    child.on('close', (code, signal) => resolve({ status: exitStatus(code, signal), output }));
  });
}

/**
 * Runs a command that must succeed.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @throws {ScriptError} with everything the command wrote.
 */
export async function runOrThrow(command, args, options) {
  const { status, output } = await run(command, args, options);
  if (status !== 0) throw new ScriptError(`${[command, ...args].join(' ')} ended with status ${status}\n${output}`);
}

/**
 * Runs a command on this process's own terminal, handing on the signals that ask it to end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Record<string, string>} [env] On top of this process's.
 * @returns {Promise<number>} The exit status, as a shell's.
 */
export function runInForeground(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' });
    /** @type {readonly NodeJS.Signals[]} */
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    /** @param {NodeJS.Signals} signal */
    const forward = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      resolve(exitStatus(code, signal));
    });
  });
}

/**
 * @param {number | null} code
 * @param {NodeJS.Signals | null} signal
 */
function exitStatus(code, signal) {
  return signal ? 128 + constants.signals[signal] : (code ?? 1);
}
