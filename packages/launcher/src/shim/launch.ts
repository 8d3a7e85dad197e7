import {
  abortedError,
  type ContainerId,
  GantryError,
  type LaunchedContainer,
  type LaunchOptions,
  type LaunchRequest,
  type LogFormat,
  type PendingLaunch,
  type SpareGroups,
  throwIfAborted,
} from '@gantry/interface';
import { writeIdsWithHelpers } from '@gantry/native';
import { noSecrets } from '../compile/inputs.js';
import { compilePlan, type ShimPlan } from '../compile/plan.js';
import { agentOf } from '../compile/seccomp/step.js';
import { encodeFrame } from '../protocol.generated.js';
import { removeBundle, writeBundle } from './bundle.js';
import { ShimContainer } from './container.js';
import { endedBefore } from './failure.js';
import { hangUp } from './hang-up.js';
import { cloneFrame, startShim } from './spawn.js';
import { canStage } from './stages.js';
import { type BegunShim, type LaunchKind, type ShimSupply, sameFrame } from './supply.js';
import { checkVersion } from './version.js';

/** How the shim keeps the log of a container. */
export interface LogLimits {
  /** Bytes after which a log file is rotated. */
  readonly maxBytes: number;
  /** Files kept, the current one included. */
  readonly maxFiles: number;
}

/** A shim that has been begun and waits for what it is to launch. */
export class ShimLaunch implements PendingLaunch {
  readonly #id: ContainerId;
  readonly #log: LogLimits;
  readonly #supply: ShimSupply;
  /** Those that the first process of a spare is in. */
  readonly #spareGroups: Promise<SpareGroups | undefined>;
  #begun: BegunShim;
  #announced: Announced | undefined;
  #launched = false;
  /** Whether they have become the container's. */
  #tookOver = false;

  constructor(id: ContainerId, log: LogLimits, supply: ShimSupply) {
    this.#id = id;
    this.#log = log;
    this.#supply = supply;
    this.#begun = supply.begin(id);
    this.#spareGroups = this.#groupsNow();
  }

  async announce(request: LaunchRequest): Promise<void> {
    const plan = this.#check(request);
    if (this.#announced) throw new GantryError('WRONG_STATE', `container ${this.#id}: it was announced already`);
    if (request.cgroupVersion !== 'v1') return;
    this.#announced = { request, plan, cloned: this.#clone(plan) };
    this.#announced.cloned.catch(() => undefined);
    // Helpers need not be waited for before the launch.
    if (!plan.users?.helpers) await this.#announced.cloned;
  }

  async groups(): Promise<SpareGroups | undefined> {
    await this.#announced?.cloned.catch(() => undefined);
    return this.#groupsNow();
  }

  async launch(
    request: LaunchRequest,
    { signal, release = false, secrets, pins, meanwhile, spareGroups }: LaunchOptions = {},
  ): Promise<LaunchedContainer> {
    const id = this.#id;
    const what = `launching container ${id}`;
    throwIfAborted(signal, what);
    const { plan, cloned } = this.#planOf(request);
    const inputs = { secrets: secrets ?? noSecrets, ...(pins ? { pins } : {}), stages: canStage() };
    const steps = needsInputs(request, pins) ? compilePlan(request, inputs).steps : plan.steps;
    const frame = launchFrame(request, { ...plan, steps }, this.#log, release);
    this.#launched = true;
    const groups = once(async () => {
      this.#tookOver = (await meanwhile?.()) ?? false;
    });
    try {
      // On cgroup v2 a process is cloned into its group, which has to be there then.
      if (!plan.awaitsGroups) await groups();
      await (cloned ?? this.#clone(plan));
    } catch (error) {
      await this.#end();
      throw error;
    }
    const options: SendOptions = {
      release,
      plan,
      spareGroups,
      ...(signal ? { signal } : {}),
      ...(plan.awaitsGroups ? { groups } : {}),
    };
    const first = this.#begun;
    try {
      return await this.#send(frame, request, options);
    } catch (error) {
      const { session } = await first.shim;
      const isUntouched = session.leftUnread || endedBefore(error);
      if (!first.isSpare || !isUntouched || signal?.aborted) throw error;
      // A spare that somebody ended: it has done nothing of the plan.
      this.#begun = { ...first, shim: startShim(id, id, first.clone), isSpare: false };
      return await this.#send(frame, request, options);
    }
  }

  async #send(
    frame: Uint8Array,
    request: LaunchRequest,
    { signal, release, plan, spareGroups, groups }: SendOptions,
  ): Promise<LaunchedContainer> {
    const id = this.#id;
    const what = `launching container ${id}`;
    const { session, started, groups: own } = await this.#begun.shim;
    // A shim that is to release by itself does not take the end of its launcher for the end of the container.
    const abort = () => (release ? session.kill() : session.end());
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (!signal?.aborted) writeBundle(request);
      if (signal?.aborted) abort();
      else session.write(frame);
      if (groups) {
        await groups();
        session.send({ op: 'grouped', joined: own && this.#tookOver ? 1 : 0 });
      }
      const hello = await session.hello;
      if (signal?.aborted) await session.closed;
      throwIfAborted(signal, what);
      checkVersion(hello, id);
      // One that shares another's namespaces says nothing of the next.
      const kind = { clone: this.#begun.clone, plan, spareGroups };
      if (!request.parent) this.#supply.learn(request.cgroupVersion === 'v1' ? kind : undefined);
      return new ShimContainer({ id, stateDir: request.stateDir, launcher: true }, session, hello, release);
    } catch (error) {
      if (release) session.kill();
      await hangUp(session, request.stateDir);
      removeBundle(request);
      await started;
      throw signal?.aborted ? abortedError(signal, what) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Resolves once nothing is left of the shim and of what it has made. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#launched) {
      this.#launched = true;
      await this.#end();
    }
    if (!this.#tookOver) await (await this.#spareGroups)?.[Symbol.asyncDispose]();
  }

  async #groupsNow(): Promise<SpareGroups | undefined> {
    const shim = await this.#begun.shim.catch(() => undefined);
    return shim?.groups;
  }

  #planOf(request: LaunchRequest): Omit<Announced, 'cloned'> & Partial<Announced> {
    if (!this.#announced) {
      const plan = this.#check(request);
      return { request, plan };
    }
    if (this.#announced.request !== request) throw invalidRequest('request', 'it is not the one that was announced');
    if (this.#launched) throw launchedAlready(this.#id);
    return this.#announced;
  }

  /** Sees to a first process that is cloned as the plan wants it. */
  async #clone(plan: ShimPlan): Promise<void> {
    const clone = cloneFrame(plan);
    // One that is in groups is of no use to a plan by which it would stay there.
    const fits = plan.awaitsGroups || (await this.#groupsNow()) === undefined;
    if (fits && sameFrame(clone, this.#begun.clone)) return this.#giveIds(plan);
    if (this.#begun.clone) {
      await this.#end();
      this.#begun = { shim: startShim(this.#id, this.#id), clone: undefined, isSpare: false };
    }
    const { shim } = this.#begun;
    this.#begun = { shim, clone, isSpare: false };
    const started = await shim.catch(() => undefined);
    started?.session.write(clone);
    await this.#giveIds(plan);
  }

  /** What another program has to do for a first process with ids of an ordinary user's. */
  async #giveIds({ users, within }: ShimPlan): Promise<void> {
    if (!users?.helpers || within) return;
    const shim = await this.#begun.shim.catch(() => undefined);
    if (shim) await writeIdsWithHelpers(await shim.session.cloned, users.helpers);
  }

  async #end(): Promise<void> {
    const shim = await this.#begun.shim.catch(() => undefined);
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
    return compilePlan(request, { secrets: 'masked', stages: canStage() });
  }
}

interface Announced {
  readonly request: LaunchRequest;
  readonly plan: ShimPlan;
  /** Resolves when the first process has been asked for, or is there. */
  readonly cloned: Promise<void>;
}

interface SendOptions extends Pick<LaunchKind, 'plan' | 'spareGroups'> {
  readonly signal?: AbortSignal;
  readonly release: boolean;
  /** Makes the control groups that the plan waits for. */
  readonly groups?: () => Promise<void>;
}

/** The work, which however often it is asked for is done once. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}

/** Whether the plan that was announced is only one to show. */
function needsInputs({ secretEnv, secretFiles }: LaunchRequest, pins: LaunchOptions['pins']): boolean {
  return pins !== undefined || (secretEnv?.length ?? 0) > 0 || (secretFiles?.length ?? 0) > 0;
}

/** By their numbers in the protocol. */
const logFormats: readonly LogFormat[] = ['cri', 'json', 'plain'];

function launchFrame(
  { id, stateDir, stdin, log, config }: LaunchRequest,
  { steps, ahead, unshareFlags, users, awaitsGroups }: ShimPlan,
  limits: LogLimits,
  release: boolean,
): Uint8Array {
  return encodeFrame({
    op: 'launch',
    id,
    stateDir,
    input: stdin ? 1 : 0,
    logFormat: logFormats.indexOf(log?.format ?? 'cri'),
    logMaxBytes: log?.maxBytes ?? limits.maxBytes,
    logMaxFiles: log?.maxFiles ?? limits.maxFiles,
    unshare: unshareFlags,
    release: release ? 1 : 0,
    groups: awaitsGroups ? 1 : 0,
    uidMap: users?.uidMap ?? '',
    gidMap: users?.gidMap ?? '',
    setgroups: users?.setgroups ? 1 : 0,
    outside: users?.outside ? 1 : 0,
    rootUid: users?.outside?.uid ?? 0,
    rootGid: users?.outside?.gid ?? 0,
    agent: agentOf(config.linux.seccomp),
    steps: steps.slice(ahead.length),
  });
}

function launchedAlready(id: ContainerId): GantryError {
  return new GantryError('WRONG_STATE', `launching container ${id}: it was launched already`, { details: { id } });
}

function invalidRequest(field: string, why: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${field}: ${why}`, { details: { field } });
}
