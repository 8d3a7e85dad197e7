import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** Hides what programs of containers keep on this machine, and what they would leave; enters the control group. */
const enter = `set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
echo 0 > "$1/cgroup.procs"
shift
exec "$@"`;

/** Where programs are looked for: what Debian installs, whatever else this machine has. */
export const sandboxPath = '/usr/sbin:/usr/bin:/sbin:/bin';

const keptLines = 20;

/**
 * Where a contender runs: in mount and process namespaces of its own, so that it ends with all that it started and
 * leaves no mount behind, also when this process is killed; counted by a control group.
 */
export class Sandbox {
  #group;
  #env;
  #signal;

  /**
   * @param {object} options
   * @param {import('./control-group.mjs').ControlGroup} options.group
   * @param {Record<string, string>} options.env On top of a PATH.
   * @param {AbortSignal} options.signal Ends whatever runs.
   */
  constructor({ group, env, signal }) {
    this.#group = group;
    this.#env = { PATH: sandboxPath, HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...env };
    this.#signal = signal;
  }

  /**
   * Runs a command to its end.
   * @param {string} command
   * @param {readonly string[]} args
   * @returns {Promise<string>} What it wrote to its standard output.
   * @throws if it does not end with status 0.
   */
  async run(command, args) {
    const program = this.start(command, args);
    program.input.end();
    let output = '';
    for await (const line of program.lines) output += `${line}\n`;
    await program.ended();
    return output;
  }

  /**
   * @param {string} command
   * @param {readonly string[]} args
   */
  start(command, args) {
    this.#signal.throwIfAborted();
    const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const inside = ['sh', '-c', enter, 'sh', this.#group.path, command, ...args];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, ...inside], { env: this.#env });
    return new Program(command, child, this.#signal);
  }
}

/** A program in a sandbox. */
export class Program {
  #child;
  #closed;
  #signal;
  /** @type {string[]} */
  #errors = [];
  /** @type {((line: string) => void) | undefined} */
  #onError;
  #kill = () => void this.#killAll();

  /**
   * @param {string} command
   * @param {import('node:child_process').ChildProcessWithoutNullStreams} child
   * @param {AbortSignal} signal
   */
  constructor(command, child, signal) {
    this.name = command;
    this.#child = child;
    this.#signal = signal;
    this.input = child.stdin;
    this.lines = createInterface({ input: child.stdout });
    this.#closed = once(child, 'close');
    child.once('close', () => signal.removeEventListener('abort', this.#kill));
    signal.addEventListener('abort', this.#kill, { once: true });
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#errors = [...this.#errors.slice(1 - keptLines), line];
      this.#onError?.(line);
    });
  }

  /**
   * Waits for a line of its standard error.
   * @param {RegExp} pattern
   * @throws if it ends before.
   */
  async says(pattern) {
    /** @type {Promise<void>} */
    const said = new Promise((resolve) => {
      this.#onError = (line) => {
        if (pattern.test(line)) resolve();
      };
    });
    const isGone = await Promise.race([said.then(() => false), this.#closed.then(() => true)]);
    this.#onError = undefined;
    if (isGone) throw this.#failure('ended too early');
  }

  /** @throws unless it ended with status 0. */
  async ended() {
    const [status] = await this.#closed;
    this.#signal.throwIfAborted();
    if (status !== 0) throw this.#failure(`ended with status ${status}`);
  }

  /** Ends it and all that it started. */
  async close() {
    await this.#killAll();
    await this.#closed;
  }

  /** The first process of a namespace takes the others with it, and is only gone when they are. */
  async #killAll() {
    const { pid } = this.#child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    const first = Number(children.split(' ')[0]);
    if (!(first > 0 && kill(first))) this.#child.kill('SIGKILL');
  }

  /** @param {string} what */
  #failure(what) {
    return new Error([`${this.name} ${what}:`, ...this.#errors].join('\n'));
  }
}

/**
 * @param {number} pid
 * @returns {boolean} False if it has ended.
 */
function kill(pid) {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
