import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { type ContainerId, errnoOf, GantryError, toGantryError } from '@gantry/interface';
import {
  type ExitedMessage,
  encodeFrame,
  FrameDecoder,
  type HelloMessage,
  type HostMessage,
  type ShimMessage,
} from '../protocol.generated.js';
import { Deferred } from './deferred.js';
import { launchFailure } from './failure.js';

const { SIGKILL } = constants.signals;

/**
 * One connection to a shim. What it waits for fails only once the connection is closed, so that whoever sees a
 * launch fail knows that the shim is through with it. An open session keeps the host's event loop alive.
 */
export class ShimSession {
  #id: ContainerId;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #cloned = new Deferred<number>();
  readonly #hello = new Deferred<HelloMessage>();
  readonly #started = new Deferred<void>();
  readonly #exited = new Deferred<ExitedMessage | undefined>();
  readonly #closed = new Deferred<void>();
  readonly #requests = new Map<number, Deferred<number>>();
  #lastRequest = 0;
  #failure: GantryError | undefined;
  #ended = false;
  #unread = false;
  #muted = false;

  constructor(id: ContainerId, socket: Socket) {
    this.#id = id;
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => {
      this.#unread ||= ['ECONNRESET', 'EPIPE'].includes(errnoOf(error) ?? '');
      this.#failure ??= this.#lost(error);
    });
    socket.once('close', () => this.#finish());
  }

  /** The id of a first process that waits for the ids of its user namespace, or in control groups that were made ahead. */
  get cloned(): Promise<number> {
    return this.#cloned.promise;
  }

  /** The first frame of a shim whose container is set up. */
  get hello(): Promise<HelloMessage> {
    return this.#hello.promise;
  }

  /** Resolves when the exec has succeeded. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** How the first process ended; undefined if the shim closed without telling. Stays pending if it was we who closed. */
  get exited(): Promise<ExitedMessage | undefined> {
    return this.#exited.promise;
  }

  /** Resolves when both ends are closed, whatever the reason. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get hasClosed(): boolean {
    return this.#closed.settled;
  }

  /** Lets the host's event loop end although the session is open. */
  unref(): void {
    this.#socket.unref();
  }

  /** Has the session keep the event loop alive again. */
  ref(): void {
    this.#socket.ref();
  }

  /** From now on what comes is not understood as messages: only the end counts. */
  mute(): void {
    this.#muted = true;
  }

  /** From now on the session is about this container. */
  adopt(id: ContainerId): void {
    this.#id = id;
  }

  /** What went wrong, once something has. */
  get failure(): GantryError | undefined {
    return this.#failure;
  }

  send(message: HostMessage): void {
    this.write(encodeFrame(message));
  }

  /** Sends a frame that is already encoded. */
  write(frame: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(frame);
    else this.#unread = true;
  }

  /** Whether the shim is gone without having read all that was sent. */
  get leftUnread(): boolean {
    return this.hasClosed && this.#unread;
  }

  /** The number of the first request of a session. */
  static readonly firstRequest = 1;

  /** A request that is sent elsewhere, and the errno of its answer. */
  expect(): { readonly request: number; readonly answer: Promise<number> } {
    if (this.#closed.settled) throw this.#failure ?? this.#lost();
    this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    const answer = new Deferred<number>();
    this.#requests.set(this.#lastRequest, answer);
    return { request: this.#lastRequest, answer: answer.promise };
  }

  /** Asks for something and resolves with the errno of the answer. */
  async request(message: (request: number) => HostMessage): Promise<number> {
    const { request, answer } = this.expect();
    this.send(message(request));
    return answer;
  }

  /** Asks for a signal and resolves with the errno of the answer. */
  signal(signal: number): Promise<number> {
    return this.request((request) => ({ op: 'signal', request, signal }));
  }

  /** Has the first process killed, without waiting for it: `exited` or `closed` tells. */
  kill(): void {
    this.signal(SIGKILL).catch(() => undefined);
  }

  /** Closes our end. A shim whose container was not released by us then ends it, and closes its own end after that. */
  end(): void {
    this.#ended = true;
    this.#socket.end();
  }

  /** Closes both ends without waiting for the shim. */
  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#muted) return;
    try {
      for (const message of this.#decoder.push(chunk)) this.#accept(message);
    } catch (error) {
      this.#failure = toGantryError(error, `container ${this.#id}`);
      this.#socket.destroy();
    }
  }

  #accept(message: ShimMessage): void {
    switch (message.op) {
      case 'hello':
        this.#hello.resolve(message);
        break;
      case 'cloned':
        this.#cloned.resolve(message.pid);
        break;
      case 'failed':
        this.#failure = launchFailure(this.#id, message);
        break;
      case 'started':
        this.#started.resolve();
        break;
      case 'exited':
        this.#exited.resolve(message);
        break;
      case 'done':
        this.#requests.get(message.request)?.resolve(message.errno);
        this.#requests.delete(message.request);
        break;
    }
  }

  #finish(): void {
    const failure = this.#failure ?? this.#lost();
    this.#closed.resolve();
    this.#cloned.reject(failure);
    this.#hello.reject(failure);
    this.#started.reject(failure);
    for (const answer of this.#requests.values()) answer.reject(failure);
    this.#requests.clear();
    if (!this.#ended) this.#exited.resolve(undefined);
  }

  #lost(cause?: Error): GantryError {
    return new GantryError('SHIM_LOST', `container ${this.#id}: the connection to its shim was lost`, { cause });
  }
}
