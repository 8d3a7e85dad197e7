import { Readable, type Writable } from 'node:stream';
import {
  type Attachment,
  type AttachOptions,
  type ContainerId,
  GantryError,
  type LogPosition,
  raceAbort,
  type TerminalSize,
  throwIfAborted,
} from '@gantry/interface';
import { endOfLog, readLogInBatches } from '../log/reader.js';
import { openInput } from './input.js';
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
  const begin = await beginningOf(stateDir, from);
  const input = stdin ? await openInput(id, stateDir, signal) : undefined;
  if (signal?.aborted) {
    await input?.close();
    throwIfAborted(signal, what);
  }
  return new ShimAttachment(id, session, stateDir, begin, input);
}

async function beginningOf(
  stateDir: string,
  from: NonNullable<AttachOptions['from']>,
): Promise<LogPosition | undefined> {
  if (from === 'start') return undefined;
  return from === 'now' ? endOfLog(stateDir) : from.position;
}

class ShimAttachment implements Attachment {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #id: ContainerId;
  readonly #session: ShimSession;
  readonly #input: Awaited<ReturnType<typeof openInput>> | undefined;
  readonly #detach = new AbortController();

  constructor(
    id: ContainerId,
    session: ShimSession,
    stateDir: string,
    begin: LogPosition | undefined,
    input: Awaited<ReturnType<typeof openInput>> | undefined,
  ) {
    this.#id = id;
    this.#session = session;
    this.#input = input;
    if (input) this.stdin = input.stream;
    const follow = (stream: 'stdout' | 'stderr') => {
      const options = { follow: true, stream, signal: this.#detach.signal };
      const batches = readLogInBatches(stateDir, begin === undefined ? options : { ...options, from: begin });
      return Readable.from(joined(batches), { objectMode: false, highWaterMark });
    };
    this.stdout = follow('stdout');
    this.stderr = follow('stderr');
  }

  resize(size: TerminalSize, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return raceAbort(resizeTerminal(this.#session, this.#id, size), options.signal, `resizing container ${this.#id}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stdout.destroy();
    this.stderr.destroy();
    this.#detach.abort(new GantryError('CLOSED', `container ${this.#id}: this attachment was disposed`));
    await this.#input?.close();
  }
}

async function* joined(
  batches: AsyncIterable<readonly { readonly data: Uint8Array }[]>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const entries of batches) yield Buffer.concat(entries.map(({ data }) => data));
}
