import { EventEmitter } from 'node:events';
import type { UserNamespaceProgram } from '@gantry/native';
import { encodeMessage, type HelperRequest, type HelperResponse, MessageDecoder } from './messages.js';

/** Milliseconds that a helper without workers is kept: starting one takes some hundred. */
const idleTime = 10_000;

/** What of a worker thread is used of one elsewhere. Its events are `message`, `error` and `exit`. */
export class NamespaceWorker extends EventEmitter {
  readonly #helper: Helper;
  readonly #id: number;
  readonly #gone: Promise<void>;
  #isRef = true;

  constructor(helper: Helper, url: URL, data: unknown) {
    super();
    this.#helper = helper;
    this.#gone = new Promise((resolve) => this.once('exit', () => resolve()));
    this.#id = helper.add(this);
    helper.send({ type: 'start', worker: this.#id, url: url.href, data });
  }

  postMessage(message: unknown): void {
    this.#helper.send({ type: 'post', worker: this.#id, message });
  }

  async terminate(): Promise<number> {
    this.#helper.send({ type: 'terminate', worker: this.#id });
    await this.#gone;
    return 0;
  }

  ref(): void {
    if (!this.#isRef) this.#helper.hold();
    this.#isRef = true;
  }

  unref(): void {
    if (this.#isRef) this.#helper.letGo();
    this.#isRef = false;
  }

  /** That it has ended, one way or the other. */
  ended(status: number): void {
    this.unref();
    this.emit('exit', status);
  }
}

/** A process in a user namespace, and the workers in it. */
export class Helper {
  readonly #joins: boolean;
  readonly #program: Promise<UserNamespaceProgram>;
  readonly #workers = new Map<number, NamespaceWorker>();
  #next = 1;
  #held = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  /** `member`: the open folder below /proc of a process in whose namespace it is to be; its workers have it as descriptor 4. */
  constructor(member?: number) {
    this.#joins = member !== undefined;
    const script = new URL('./namespace-helper.js', import.meta.url).pathname;
    this.#program = startProgram([process.execPath, script], member);
    this.#program.then(
      (program) => this.#follow(program),
      (error: unknown) => this.#end(error),
    );
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  add(worker: NamespaceWorker): number {
    clearTimeout(this.#timer);
    const id = this.#next++;
    this.#workers.set(id, worker);
    this.hold();
    return id;
  }

  /** What is sent to a helper that is not there any more is not missed: its workers have been told. */
  send(request: HelperRequest): void {
    const frame = encodeMessage(request);
    this.#program.then(
      ({ socket }) => void (socket.writable && socket.write(frame)),
      () => undefined,
    );
  }

  hold(): void {
    this.#held++;
    if (this.#held === 1) this.#apply('ref');
  }

  letGo(): void {
    this.#held--;
    if (this.#held === 0) this.#apply('unref');
  }

  #apply(change: 'ref' | 'unref'): void {
    this.#program.then(
      ({ child, socket }) => {
        child[change]();
        (socket as unknown as { ref(): void; unref(): void })[change]();
      },
      () => undefined,
    );
  }

  #follow({ child, socket }: UserNamespaceProgram): void {
    const decoder = new MessageDecoder<HelperResponse>();
    socket.on('data', (piece: Buffer) => {
      for (const response of decoder.push(piece)) this.#take(response);
    });
    socket.once('close', () => this.#end(new Error('the process in the user namespace has ended')));
    child.once('exit', () => socket.destroy());
  }

  #take(response: HelperResponse): void {
    const worker = this.#workers.get(response.worker);
    if (response.type === 'message') worker?.emit('message', response.message);
    else if (response.type === 'error') worker?.emit('error', new Error(response.message));
    else this.#remove(response.worker, response.status);
  }

  #remove(id: number, status: number): void {
    const worker = this.#workers.get(id);
    this.#workers.delete(id);
    worker?.ended(status);
    if (this.#workers.size > 0 || this.#hasEnded) return;
    // One that has joined others does not outlive what it was asked for.
    this.#timer = setTimeout(() => this.#close(), this.#joins ? 0 : idleTime).unref();
  }

  #close(): void {
    this.#hasEnded = true;
    this.#program.then(
      ({ socket }) => socket.destroy(),
      () => undefined,
    );
  }

  #end(error: unknown): void {
    this.#hasEnded = true;
    for (const [id, worker] of this.#workers) {
      this.#workers.delete(id);
      worker.emit('error', error);
      worker.ended(1);
    }
  }
}

/** Loads the addon only now: programs that unpack nothing need not have it. */
async function startProgram(
  command: readonly [program: string, ...args: string[]],
  member: number | undefined,
): Promise<UserNamespaceProgram> {
  const { runInUserNamespace } = await import('@gantry/native');
  return runInUserNamespace(command, member);
}
