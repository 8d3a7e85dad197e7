import { Socket } from 'node:net';
import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { abortedError, type ContainerId, GantryError, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { encodeFrame } from '../protocol.generated.js';
import { errnoName, errnoText } from './errno.js';
import { openPathDescriptor } from './path-socket.js';
import { ShimSession } from './session.js';
import { checkVersion } from './version.js';

/** A container's standard input for one client. */
export interface ContainerInput {
  /** Ending it ends the container's input; destroying it does not. */
  readonly stream: Writable;
  /** Lets go of the input, which stays open unless the stream was ended. */
  close(): Promise<void>;
}

/** Connects to a container's input. `WRONG_STATE` if it has none, or has ended. */
export async function openInput(
  id: ContainerId,
  stateDir: string,
  signal: AbortSignal | undefined,
): Promise<ContainerInput> {
  const what = `attaching to the input of container ${id}`;
  const socket = await openPathDescriptor(stateDir);
  if (socket === undefined) throw wrongState(id, 'it has ended');
  const { session, pipe } = connect(id, socket, what);
  const abort = () => session.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const request = session.expect();
    if (signal?.aborted) abort();
    checkVersion(await session.hello, id);
    const errno = await request.answer;
    if (errno === constants.errno.ENOTTY) throw wrongState(id, 'it has no standard input: ask for it in its spec');
    if (errno !== 0) {
      throw new GantryError('SYSTEM', `${what}: ${errnoText(errno)}`, { details: { errno: errnoName(errno) } });
    }
    return new PipedInput(session, pipe);
  } catch (error) {
    session.destroy();
    pipe.destroy();
    throw signal?.aborted ? abortedError(signal, what) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Sends the reading end of a new pipe; the request's number is the first of the session. */
function connect(id: ContainerId, socket: number, what: string): { session: ShimSession; pipe: Socket } {
  const ends: number[] = [];
  try {
    const { read, write } = addon().pipe();
    ends.push(read, write);
    const frame = encodeFrame({ op: 'attach', request: ShimSession.firstRequest });
    const sent = addon().sendDescriptors(socket, frame, [read]);
    const session = new ShimSession(id, new Socket({ fd: socket, readable: true, writable: true }));
    if (sent < frame.length) session.write(frame.subarray(sent));
    addon().closeFd(read);
    return { session, pipe: new Socket({ fd: write, readable: false, writable: true }) };
  } catch (error) {
    for (const fd of [socket, ...ends]) addon().closeFd(fd);
    throw toGantryError(error, what);
  }
}

class PipedInput implements ContainerInput {
  readonly stream: Writable;
  readonly #session: ShimSession;

  constructor(session: ShimSession, pipe: Socket) {
    this.#session = session;
    // A container that does not read its input is told to whoever writes.
    pipe.on('error', () => undefined);
    this.stream = new Writable({
      write: (chunk: Uint8Array, _, done) => {
        pipe.write(chunk, done);
      },
      final: (done) => {
        // Before the end of the pipe, which alone would be a detaching.
        session.send({ op: 'endInput' });
        pipe.end(() => done());
      },
      destroy: (error, done) => {
        pipe.destroy();
        done(error);
      },
    });
    this.stream.on('error', () => undefined);
    // Nobody else notices that the container has ended while nothing is written.
    session.closed.then(
      () => this.stream.destroy(),
      () => undefined,
    );
  }

  async close(): Promise<void> {
    this.stream.destroy();
    this.#session.end();
  }
}

function wrongState(id: ContainerId, why: string): GantryError {
  return new GantryError('WRONG_STATE', `attaching to container ${id}: ${why}`, { details: { id } });
}
