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
import { encodeFrame, protocolVersion, type Step } from '../protocol.generated.js';
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

/**
 * How the last process of a launcher was cloned on cgroup v1. The next one will be cloned the same way, as a rule, and so can
 * be before anything is known of it.
 */
export interface CloneHabit {
  cloneFlags?: number;
}

/** A shim that has been started and waits for what it is to launch. */
export class ShimLaunch implements PendingLaunch {
  readonly #id: ContainerId;
  readonly #log: LogLimits;
  readonly #habit: CloneHabit;
  #shim: Promise<StartedShim>;
  /** How the process that waits was cloned; undefined while there is none. */
  #cloneFlags: number | undefined;
  #announced: Announced | undefined;
  #launched = false;

  constructor(id: ContainerId, log: LogLimits, habit: CloneHabit) {
    this.#id = id;
    this.#log = log;
    this.#habit = habit;
    this.#cloneFlags = habit.cloneFlags;
    this.#shim = startShim(id, habit.cloneFlags);
    // Told by `launch`; one that is never called wants to know nothing.
    this.#shim.catch(() => undefined);
  }

  async announce(request: LaunchRequest): Promise<void> {
    const plan = this.#check(request);
    if (this.#announced) throw new GantryError('WRONG_STATE', `container ${this.#id}: it was announced already`);
    if (request.cgroupVersion !== 'v1') return;
    this.#announced = { request, plan, done: this.#clone(plan) };
    this.#habit.cloneFlags = plan.cloneFlags;
    await this.#announced.done;
  }

  async launch(request: LaunchRequest, { signal, release = false }: LaunchOptions = {}): Promise<LaunchedContainer> {
    const id = this.#id;
    const what = `launching container ${id}`;
    throwIfAborted(signal, what);
    const { plan, done } = this.#planOf(request);
    this.#launched = true;
    const frame = launchFrame(request, plan.steps.slice(await done), this.#log, release);
    const { session, started } = await this.#shim;
    // A shim that is to release by itself does not take the end of its launcher for the end of the container.
    const abort = () => (release ? session.kill() : session.end());
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) abort();
      else session.write(frame);
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
    await this.#end();
  }

  #planOf(request: LaunchRequest): Announced {
    if (!this.#announced) {
      const plan = this.#check(request);
      return { request, plan, done: this.#clone(plan) };
    }
    if (this.#announced.request !== request) throw invalidRequest('request', 'it is not the one that was announced');
    if (this.#launched) throw launchedAlready(this.#id);
    return this.#announced;
  }

  /** Sees to a process that is cloned as the plan wants it. Resolves with how many steps it has got with that. */
  async #clone(plan: ShimPlan): Promise<number> {
    if (this.#cloneFlags === plan.cloneFlags && plan.cgroup === '') return 0;
    if (this.#cloneFlags !== undefined) {
      await this.#end();
      this.#shim = startShim(this.#id);
      this.#shim.catch(() => undefined);
    }
    this.#cloneFlags = plan.cloneFlags;
    const shim = await this.#shim.catch(() => undefined);
    shim?.session.write(cloneFrame(plan));
    return plan.early;
  }

  async #end(): Promise<void> {
    const shim = await this.#shim.catch(() => undefined);
    shim?.session.end();
    await shim?.session.closed;
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

interface Announced {
  readonly request: LaunchRequest;
  readonly plan: ShimPlan;
  /** How many of the steps the process has been given. */
  readonly done: Promise<number>;
}

interface StartedShim {
  readonly session: ShimSession;
  /** Rejects if there is no shim at the other end. */
  readonly started: Promise<void>;
}

/** With `cloneFlags`, the shim clones a first process at once. */
async function startShim(id: ContainerId, cloneFlags?: number): Promise<StartedShim> {
  const executable = await shimExecutable();
  const explain = (error: unknown): never => {
    throw toGantryError(error, `starting the shim of container ${id}`);
  };
  try {
    const { socket, started } = addon().spawn(executable, ['gantry-shim', id]);
    const session = new ShimSession(id, new Socket({ fd: socket, readable: true, writable: true }));
    if (cloneFlags !== undefined) session.write(cloneFrame({ cloneFlags, cgroup: '', steps: [], early: 0 }));
    const explained = started.catch(explain);
    explained.catch(() => undefined);
    return { session, started: explained };
  } catch (error) {
    return explain(error);
  }
}

function cloneFrame({ cloneFlags, cgroup, steps, early }: Omit<ShimPlan, 'version'>): Uint8Array {
  return encodeFrame({ op: 'clone', version: protocolVersion, cloneFlags, cgroup, steps: steps.slice(0, early) });
}

function launchFrame(
  { stateDir }: LaunchRequest,
  steps: readonly Step[],
  { maxBytes, maxFiles }: LogLimits,
  release: boolean,
): Uint8Array {
  return encodeFrame({
    op: 'launch',
    stateDir,
    logMaxBytes: maxBytes,
    logMaxFiles: maxFiles,
    release: release ? 1 : 0,
    steps,
  });
}

function launchedAlready(id: ContainerId): GantryError {
  return new GantryError('WRONG_STATE', `launching container ${id}: it was launched already`, { details: { id } });
}

function invalidRequest(field: string, why: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${field}: ${why}`, { details: { field } });
}
