import { Readable, type Writable } from 'node:stream';
import {
  type Attachment,
  type AttachOptions,
  type ContainerId,
  GantryError,
  raceAbort,
  type TerminalSize,
  throwIfAborted,
} from '@gantry/interface';
import { OpenLog } from '../log/reader.js';
import { type ContainerInput, openInput } from './input.js';
import { resizeTerminal } from './resizing.js';
import type { ShimSession } from './session.js';

/** Bytes of output that wait for a reader, besides those in the log. */
const highWaterMark = 256 * 1024;

/** See `LaunchedContainer.attach`. `session` is that of the container. */
export async function attachContainer(
  { id, stateDir }: { readonly id: ContainerId; readonly stateDir: string },
  session: ShimSession,
  { from = 'now', stdin = false, signal }: AttachOptions,
): Promise<Attachment> {
  const what = `attaching to container ${id}`;
  throwIfAborted(signal, what);
  const logs: OpenLog[] = [];
  let input: ContainerInput | undefined;
  try {
    for (const stream of ['stdout', 'stderr'] as const) logs.push(await OpenLog.at(stateDir, stream, from));
    if (stdin) input = await openInput(id, stateDir, signal);
    throwIfAborted(signal, what);
  } catch (error) {
    for (const log of logs) await log.close();
    await input?.close();
    throw error;
  }
  return new ShimAttachment(id, session, logs, input);
}

class ShimAttachment implements Attachment {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #id: ContainerId;
  readonly #session: ShimSession;
  readonly #logs: readonly OpenLog[];
  readonly #input: ContainerInput | undefined;
  readonly #detach = new AbortController();

  /** `logs`: of the output and of the errors. */
  constructor(id: ContainerId, session: ShimSession, logs: readonly OpenLog[], input: ContainerInput | undefined) {
    this.#id = id;
    this.#session = session;
    this.#logs = logs;
    this.#input = input;
    if (input) this.stdin = input.stream;
    // Nothing is rotated any more, and who never reads is not to hold files of a container that has ended.
    session.closed.then(() => this.#letGo()).catch(() => undefined);
    const [stdout, stderr] = logs.map((log) => {
      const batches = log.read({ follow: true, signal: this.#detach.signal });
      return Readable.from(joined(batches), { objectMode: false, highWaterMark });
    }) as [Readable, Readable];
    this.stdout = stdout;
    this.stderr = stderr;
  }

  resize(size: TerminalSize, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return raceAbort(resizeTerminal(this.#session, this.#id, size), options.signal, `resizing container ${this.#id}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stdout.destroy();
    this.stderr.destroy();
    this.#detach.abort(new GantryError('CLOSED', `container ${this.#id}: this attachment was disposed`));
    await this.#letGo();
    await this.#input?.close();
  }

  async #letGo(): Promise<void> {
    for (const log of this.#logs) await log.close();
  }
}

async function* joined(
  batches: AsyncIterable<readonly { readonly data: Uint8Array }[]>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const entries of batches) yield Buffer.concat(entries.map(({ data }) => data));
}
