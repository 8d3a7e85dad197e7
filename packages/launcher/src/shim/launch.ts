import { Socket } from 'node:net';
import {
  abortedError,
  type ContainerId,
  GantryError,
  type LaunchedContainer,
  type LaunchOptions,
  type LaunchRequest,
  type PendingLaunch,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { addon } from '@gantry/native';
import { compilePlan, type ShimPlan } from '../compile/plan.js';
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

/** A shim that has been started and waits for what it is to launch. */
export class ShimLaunch implements PendingLaunch {
  readonly #id: ContainerId;
  readonly #log: LogLimits;
  readonly #shim: Promise<StartedShim>;
  #announced: { readonly request: LaunchRequest; readonly plan: ShimPlan } | undefined;
  #launched = false;

  constructor(id: ContainerId, log: LogLimits) {
    this.#id = id;
    this.#log = log;
    this.#shim = startShim(id);
    // Told by `launch`; one that is never called wants to know nothing.
    this.#shim.catch(() => undefined);
  }

  async announce(request: LaunchRequest): Promise<void> {
    const plan = this.#check(request);
    if (this.#announced) throw new GantryError('WRONG_STATE', `container ${this.#id}: it was announced already`);
    if (request.cgroupVersion !== 'v1') return;
    this.#announced = { request, plan };
    const shim = await this.#shim.catch(() => undefined);
    shim?.session.write(cloneFrame(plan));
  }

  async launch(request: LaunchRequest, { signal, release = false }: LaunchOptions = {}): Promise<LaunchedContainer> {
    const id = this.#id;
    const what = `launching container ${id}`;
    throwIfAborted(signal, what);
    const frames = this.#frames(request, release);
    this.#launched = true;
    const { session, started } = await this.#shim;
    // A shim that is to release by itself does not take the end of its launcher for the end of the container.
    const abort = () => (release ? session.kill() : session.end());
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) abort();
      else session.write(frames);
      const hello = await session.hello;
      if (signal?.aborted) await session.closed;
      throwIfAborted(signal, what);
      checkVersion(hello, id);
      return new ShimContainer({ id, stateDir: request.stateDir, launcher: true }, session, hello, release);
    } catch (error) {
      if (release) session.kill();
      await hangUp(session, request.stateDir);
      await started;
      throw signal?.aborted ? abortedError(signal, what) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Resolves once nothing is left of the shim and of what it has made. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#launched) return;
    this.#launched = true;
    const shim = await this.#shim.catch(() => undefined);
    shim?.session.end();
    await shim?.session.closed;
  }

  /** What the shim has yet to be sent for the launch. */
  #frames(request: LaunchRequest, release: boolean): Uint8Array {
    const announced = this.#announced;
    if (!announced) {
      const plan = this.#check(request);
      return Buffer.concat([cloneFrame(plan), launchFrame(request, plan, this.#log, release)]);
    }
    if (announced.request !== request) throw invalidRequest('request', 'it is not the one that was announced');
    if (this.#launched) throw launchedAlready(this.#id);
    return launchFrame(request, announced.plan, this.#log, release);
  }

  #check(request: LaunchRequest): ShimPlan {
    const { id, stateDir } = request;
    if (id !== this.#id) throw invalidRequest('id', `${id} is not ${this.#id}, with which the launch was begun`);
    if (this.#launched) throw launchedAlready(id);
    if (!stateDir.startsWith('/')) {
      throw invalidRequest('stateDir', `${JSON.stringify(stateDir)} is not an absolute path`);
    }
    return compilePlan(request);
  }
}

interface StartedShim {
  readonly session: ShimSession;
  /** Rejects if there is no shim at the other end. */
  readonly started: Promise<void>;
}

async function startShim(id: ContainerId): Promise<StartedShim> {
  const executable = await shimExecutable();
  const explain = (error: unknown): never => {
    throw toGantryError(error, `starting the shim of container ${id}`);
  };
  try {
    const { socket, started } = addon().spawn(executable, ['gantry-shim', id]);
    const session = new ShimSession(id, new Socket({ fd: socket, readable: true, writable: true }));
    const explained = started.catch(explain);
    explained.catch(() => undefined);
    return { session, started: explained };
  } catch (error) {
    return explain(error);
  }
}

function cloneFrame({ version, cloneFlags, cgroup, steps, early }: ShimPlan): Uint8Array {
  return encodeFrame({ op: 'clone', version, cloneFlags, cgroup, steps: steps.slice(0, early) });
}

function launchFrame(
  { stateDir }: LaunchRequest,
  { steps, early }: ShimPlan,
  { maxBytes, maxFiles }: LogLimits,
  release: boolean,
): Uint8Array {
  return encodeFrame({
    op: 'launch',
    stateDir,
    logMaxBytes: maxBytes,
    logMaxFiles: maxFiles,
    release: release ? 1 : 0,
    steps: steps.slice(early),
  });
}

function launchedAlready(id: ContainerId): GantryError {
  return new GantryError('WRONG_STATE', `launching container ${id}: it was launched already`, { details: { id } });
}

function invalidRequest(field: string, why: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${field}: ${why}`, { details: { field } });
}
