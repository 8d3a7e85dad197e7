import type { Duplex } from 'node:stream';
import {
  type Attachment,
  type AttachOptions,
  type CallOptions,
  type ContainerId,
  type EnteredProcess,
  type ExitStatus,
  GantryError,
  isGantryError,
  type LaunchedContainer,
  type LaunchRequest,
  type LaunchSecrets,
  type ProcessIdentity,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import type { ExitedMessage, HelloMessage } from '../protocol.generated.js';
import { attachContainer } from './attach.js';
import { dialContainer } from './dial.js';
import { enterContainer } from './enter.js';
import { exitedStatus, readExitRecord } from './exit-record.js';
import { hangUp } from './hang-up.js';
import { bootId } from './process-identity.js';
import type { ShimSession } from './session.js';
import { sendSignal } from './signalling.js';

/**
 * A container as its shim shows it. While it is open it keeps the event loop alive, as a child process does; dispose
 * it to let go. Disposing one that was never released ends it, since the shim takes that for the end of its launcher;
 * after any disposal, an `exit` that has not resolved stays pending.
 */
export class ShimContainer implements LaunchedContainer {
  readonly id: ContainerId;
  readonly process: ProcessIdentity;
  readonly shimPid: number;
  readonly exit: Promise<ExitStatus>;
  readonly gone: Promise<void>;
  readonly #session: ShimSession;
  readonly #stateDir: string;
  readonly #launcher: boolean;
  readonly #releaseSent: boolean;
  #releasing: Promise<void> | undefined;
  #released: boolean;
  #disposed = false;

  /**
   * `launcher`: whether the session is the one that launched the container, which alone may release it;
   * `releaseSent`: whether it was told to do so with the launch.
   */
  constructor(
    { id, stateDir, launcher }: { readonly id: ContainerId; readonly stateDir: string; readonly launcher: boolean },
    session: ShimSession,
    hello: HelloMessage,
    releaseSent = false,
  ) {
    this.id = id;
    this.process = { pid: hello.pid, startTime: hello.startTime, bootId: bootId() };
    this.shimPid = hello.shimPid;
    this.#released = hello.released !== 0 && !releaseSent;
    this.#releaseSent = releaseSent;
    this.#session = session;
    this.#stateDir = stateDir;
    this.#launcher = launcher;
    this.exit = session.exited.then((message) => this.#status(message));
    this.gone = session.closed;
  }

  get released(): boolean {
    return this.#released || this.#releaseSent;
  }

  /** Aborting it has an effect only before the shim was told: an exec that has begun cannot be taken back. */
  async release(options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal, `releasing container ${this.id}`);
    if (this.#released) return;
    this.#checkOpen();
    if (!this.#launcher) {
      throw new GantryError(
        'WRONG_STATE',
        `container ${this.id}: only the host program that launches it may release it`,
      );
    }
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async signal(signal: number, options: CallOptions = {}): Promise<void> {
    this.#checkOpen();
    // A connection that ends because the container does is no failure: the signal came too late.
    await sendSignal(this.#session, this.id, signal, options, async () => {
      return !this.#disposed && (await this.exit).type !== 'unknown';
    });
  }

  async enter(
    request: LaunchRequest,
    options: CallOptions & { readonly secrets?: LaunchSecrets } = {},
  ): Promise<EnteredProcess> {
    this.#checkOpen();
    return enterContainer(request, this.process.pid, options);
  }

  async attach(options: AttachOptions = {}): Promise<Attachment> {
    this.#checkOpen();
    return attachContainer({ id: this.id, stateDir: this.#stateDir }, this.#session, options);
  }

  async connect(request: LaunchRequest, port: number, options: CallOptions = {}): Promise<Duplex> {
    this.#checkOpen();
    return dialContainer(request, port, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    // Whoever asked for the release is told of its failure.
    await this.#releasing?.catch(() => undefined);
    if (this.released || !this.#launcher) {
      this.#session.destroy();
      return;
    }
    await hangUp(this.#session, this.#stateDir);
  }

  async #release(): Promise<void> {
    if (!this.#releaseSent) this.#session.send({ op: 'release' });
    await this.#session.started;
    this.#released = true;
  }

  async #status(message: ExitedMessage | undefined): Promise<ExitStatus> {
    if (message) return exitedStatus(message);
    const { failure } = this.#session;
    if (isGantryError(failure, 'LAUNCH_FAILED')) return unknown(failure.message);
    try {
      return (await readExitRecord(this.#stateDir)) ?? unknown('the shim was lost');
    } catch (error) {
      return unknown(`the shim was lost, and ${toGantryError(error, 'its exit record').message}`);
    }
  }

  #checkOpen(): void {
    if (this.#disposed) throw new GantryError('CLOSED', `container ${this.id}: this connection was disposed`);
  }
}

function unknown(reason: string): ExitStatus {
  return { type: 'unknown', reason, at: Date.now() };
}
