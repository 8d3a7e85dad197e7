import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** @import { ContainerSpec, ContainerTermination } from '@gantry/interface' */
/** @import { Trial } from './plan.mjs' */

/** @typedef {{ trial: Trial, root: string, stateRoot: string, specs: Readonly<Record<string, ContainerSpec>> }} Order */

/**
 * What a host program tells. `ending` comes before a call that may end a container, all others after what they tell.
 *
 * @typedef {{ type: 'ready' } | { type: 'done' }
 *   | { type: 'running', id: string, pid: number, shimPid: number }
 *   | { type: 'ending', op: string, id: string }
 *   | { type: 'removed', id: string }
 *   | { type: 'noticed', id: string, at: number }
 *   | { type: 'terminated', termination: ContainerTermination }
 *   | { type: 'failed', op: string, id: string, code: string, message: string }
 *   | { type: 'untyped', op: string, id: string, message: string }} Report
 */

const program = fileURLToPath(new URL('./host-program.mjs', import.meta.url));

/** A host program of its own, started before its orders are known: loading the library takes longer than a trial. */
export class Host {
  /** @type {Report[]} */
  reports = [];
  stderr = '';
  /** Resolves when it waits for its orders; rejects if it never does. */
  ready;
  /** Resolves when it has carried them out, or has ended. */
  done;
  /** Resolves when it has ended and all that it said has been read. */
  ended;
  #child;

  constructor() {
    this.#child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr } = this.#child;
    // It may be gone before it has read its orders: that is told by `ended`.
    stdin.on('error', () => undefined);
    stderr.on('data', (data) => {
      this.stderr = `${this.stderr}${data}`.slice(-10_000);
    });
    this.ended = Promise.all([once(this.#child, 'exit'), once(stdout, 'close')]).then(([[code, signal]]) => ({
      code: /** @type {number | null} */ (code),
      signal: /** @type {string | null} */ (signal),
    }));
    /** @type {(value?: unknown) => void} */
    let markReady = () => undefined;
    /** @type {(value?: unknown) => void} */
    let markDone = () => undefined;
    const ready = new Promise((resolve) => {
      markReady = resolve;
    });
    const done = new Promise((resolve) => {
      markDone = resolve;
    });
    createInterface({ input: stdout }).on('line', (line) => {
      // The last line of one who was killed may be torn.
      if (!line.endsWith('}')) return;
      /** @type {Report} */
      const report = JSON.parse(line);
      this.reports.push(report);
      if (report.type === 'ready') markReady();
      if (report.type === 'done') markDone();
    });
    this.ready = Promise.race([ready, this.ended.then(() => this.#refuse())]);
    this.ready.catch(() => undefined);
    this.done = Promise.race([done, this.ended]);
  }

  get pid() {
    return this.#child.pid ?? 0;
  }

  /** @param {Order} order */
  order(order) {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
  }

  /** Has it close and end by itself. */
  close() {
    this.#child.stdin.end();
  }

  async kill() {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  #refuse() {
    throw new Error(`the host program did not start: ${this.stderr}`);
  }
}
