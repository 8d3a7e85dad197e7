import {
  type CallOptions,
  type ContainerId,
  type ExitStatus,
  GantryError,
  type LaunchedContainer,
  type ProcessIdentity,
  raceAbort,
  toGantryError,
} from '@gantry/interface';
import type { HelloMessage } from '../protocol.generated.js';
import { readExitRecord } from './exit-record.js';
import { bootId, signalProcess } from './process-identity.js';
import type { ShimSession } from './session.js';
import { checkSignal } from './signalling.js';

/**
 * A container whose shim speaks another protocol version. Nothing is said to that shim: the process is signalled by its
 * pidfd, and the end is that of a connection, which lasts as long as the shim. What else is asked for is refused.
 */
export class OtherReleaseContainer implements LaunchedContainer {
  readonly id: ContainerId;
  readonly process: ProcessIdentity;
  readonly shimPid: number;
  readonly released: boolean;
  readonly exit: Promise<ExitStatus>;
  readonly gone: Promise<void>;
  readonly #session: ShimSession;
  #disposed = false;

  constructor(
    { id, stateDir }: { readonly id: ContainerId; readonly stateDir: string },
    session: ShimSession,
    hello: HelloMessage,
    readonly refusal: GantryError,
  ) {
    this.id = id;
    this.process = { pid: hello.pid, startTime: hello.startTime, bootId: bootId() };
    this.shimPid = hello.shimPid;
    this.released = hello.released !== 0;
    this.#session = session;
    session.mute();
    this.exit = session.exited.then(() => exitIn(stateDir));
    this.gone = session.closed;
  }

  async signal(signal: number, options: CallOptions = {}): Promise<void> {
    if (this.#disposed) throw new GantryError('CLOSED', `container ${this.id}: this connection was disposed`);
    checkSignal(this.id, signal);
    await raceAbort(signalProcess(this.process, signal), options.signal, `signalling container ${this.id}`);
  }

  async release(): Promise<void> {
    if (!this.released) throw this.refusal;
  }

  enter(): Promise<never> {
    return Promise.reject(this.refusal);
  }

  attach(): Promise<never> {
    return Promise.reject(this.refusal);
  }

  connect(): Promise<never> {
    return Promise.reject(this.refusal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#session.destroy();
  }
}

async function exitIn(stateDir: string): Promise<ExitStatus> {
  const unknown = (reason: string): ExitStatus => ({ type: 'unknown', reason, at: Date.now() });
  try {
    return (await readExitRecord(stateDir)) ?? unknown('the shim was lost');
  } catch (error) {
    return unknown(`the shim was lost, and ${toGantryError(error, 'its exit record').message}`);
  }
}
