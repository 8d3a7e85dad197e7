import type { Readable, Writable } from 'node:stream';
import {
  type CallOptions,
  type ContainerId,
  type EnteredProcess,
  type ExitStatus,
  raceAbort,
  type TerminalSize,
} from '@gantry/interface';
import { exitedStatus } from './exit-record.js';
import { resizeTerminal } from './resizing.js';
import type { ShimSession } from './session.js';
import { sendSignal } from './signalling.js';
import type { Streams } from './stream-pipes.js';

/** A process beside the first one of a container; the session is its own. */
export class ShimEnteredProcess implements EnteredProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<ExitStatus>;
  readonly #id: ContainerId;
  readonly #session: ShimSession;

  constructor(id: ContainerId, session: ShimSession, { stdin, stdout, stderr }: Streams) {
    this.#id = id;
    this.#session = session;
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    this.exit = session.exited.then((message) =>
      message ? exitedStatus(message) : { type: 'unknown', reason: 'the shim was lost', at: Date.now() },
    );
  }

  signal(signal: number, options: CallOptions = {}): Promise<void> {
    return sendSignal(this.#session, this.#id, signal, options, async () => (await this.exit).type !== 'unknown');
  }

  resize(size: TerminalSize, options: CallOptions = {}): Promise<void> {
    return raceAbort(resizeTerminal(this.#session, this.#id, size), options.signal, `resizing container ${this.#id}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.kill();
    await this.exit;
    this.#session.destroy();
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy();
  }
}
