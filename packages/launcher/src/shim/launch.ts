import { Socket } from 'node:net';
import {
  abortedError,
  type CallOptions,
  type ContainerId,
  GantryError,
  type LaunchedContainer,
  type LaunchRequest,
  type PendingLaunch,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { addon } from '@gantry/native';
import { compilePlan } from '../compile/plan.js';
import { encodeFrame } from '../protocol.generated.js';
import { ShimContainer } from './container.js';
import { shimExecutable } from './executable.js';
import { hangUp } from './hang-up.js';
import { ShimSession } from './session.js';
import { checkVersion } from './version.js';

/** How the shim keeps the log of a container. */
export interface LogLimits {
  /** Bytes after which a log file is rotated. */
  readonly maxBytes: number;
  /** Files kept, the current one included. */
  readonly maxFiles: number;
}

/** A shim that has been started and waits for its launch message. */
export class ShimLaunch implements PendingLaunch {
  readonly #id: ContainerId;
  readonly #log: LogLimits;
  readonly #socket: Promise<Socket>;
  #launched = false;

  constructor(id: ContainerId, log: LogLimits) {
    this.#id = id;
    this.#log = log;
    this.#socket = spawnShim(id);
    // Told by `launch`; one that is never called wants to know nothing.
    this.#socket.catch(() => undefined);
  }

  async launch(request: LaunchRequest, { signal }: CallOptions = {}): Promise<LaunchedContainer> {
    const id = this.#id;
    const what = `launching container ${id}`;
    throwIfAborted(signal, what);
    if (request.id !== id) throw invalidRequest('id', `${request.id} is not ${id}, with which the launch was begun`);
    if (this.#launched) throw new GantryError('WRONG_STATE', `${what}: it was launched already`, { details: { id } });
    const frame = launchFrame(request, this.#log);
    this.#launched = true;
    const session = new ShimSession(id, await this.#socket);
    const abort = () => session.end();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) abort();
      else session.write(frame);
      const hello = await session.hello;
      if (signal?.aborted) await session.closed;
      throwIfAborted(signal, what);
      checkVersion(hello, id);
      return new ShimContainer({ id, stateDir: request.stateDir, launcher: true }, session, hello);
    } catch (error) {
      await hangUp(session, request.stateDir);
      throw signal?.aborted ? abortedError(signal, what) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#launched) return;
    this.#launched = true;
    const socket = await this.#socket.catch(() => undefined);
    socket?.destroy();
  }
}

async function spawnShim(id: ContainerId): Promise<Socket> {
  const executable = await shimExecutable();
  try {
    const fd = await addon().spawn(executable, ['gantry-shim', id]);
    return new Socket({ fd, readable: true, writable: true });
  } catch (error) {
    throw toGantryError(error, `starting the shim of container ${id}`);
  }
}

function launchFrame(request: LaunchRequest, { maxBytes, maxFiles }: LogLimits): Uint8Array {
  const { stateDir } = request;
  if (!stateDir.startsWith('/'))
    throw invalidRequest('stateDir', `${JSON.stringify(stateDir)} is not an absolute path`);
  const { version, cloneFlags, cgroup, steps } = compilePlan(request);
  return encodeFrame({
    op: 'launch',
    version,
    stateDir,
    cloneFlags,
    cgroup,
    logMaxBytes: maxBytes,
    logMaxFiles: maxFiles,
    steps,
  });
}

function invalidRequest(field: string, why: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${field}: ${why}`, { details: { field } });
}
