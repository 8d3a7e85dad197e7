import {
  abortedError,
  type CallOptions,
  type CommitOptions,
  type ContainerId,
  type Containerizer,
  type ContainerizerEvent,
  type ContainerizerEvents,
  type ContainerSpec,
  type ContainerState,
  type ContainerStatus,
  type ContainerTermination,
  type ContainerUsage,
  type EnteredProcess,
  type ExecSpec,
  GantryError,
  isGantryError,
  type LaunchedContainer,
  type LogEntry,
  type LogOptions,
  type PulledImage,
  type RecoveryReport,
  raceAbort,
  toGantryError,
} from '@gantry/interface';
import { EventEmitter } from 'eventemitter3';
import { finish, retryCleanUp } from './cleanup.js';
import { commitContainer } from './commit.js';
import { Container } from './container.js';
import { composeRequest, prepareContext, resolveSource } from './document.js';
import { killAndWait } from './ending.js';
import { EventQueue } from './event-queue.js';
import { execRequest } from './exec.js';
import { awaitForeignEnd } from './foreign.js';
import { runLaunch } from './launch.js';
import { retireOwner } from './owner.js';
import type { ContainerizerParts } from './parts.js';
import { buryCorrupt, cleanUpFailed, type Found, inspect, reapUnknown } from './recovery.js';
import { parseSignal } from './signals.js';
import { checkExecSpec, checkId, checkSpec, sameSpec } from './spec.js';
import type { StateFolder, StateRoot } from './state-folder.js';

const defaultGraceMs = 10_000;
const recoveriesAtOnce = 16;

/** The life cycle of containers over the parts it is given. Made by `createContainerizer`. */
export class GantryContainerizer implements Containerizer {
  readonly #parts: ContainerizerParts;
  readonly #root: StateRoot;
  readonly #containers = new Map<ContainerId, Container>();
  readonly #emitter = new EventEmitter<ContainerizerEvents>();
  readonly #queues = new Set<EventQueue>();
  readonly #closing = new AbortController();

  constructor(parts: ContainerizerParts, root: StateRoot) {
    this.#parts = parts;
    this.#root = root;
  }

  async launch(spec: ContainerSpec, options: CallOptions = {}): Promise<ContainerStatus> {
    this.#checkOpen();
    const checked = checkSpec(spec);
    const existing = this.#containers.get(checked.id);
    if (existing) {
      if (existing.state === 'DESTROYED' || !sameSpec(existing.spec, checked)) throw alreadyExists(existing);
      await raceAbort(existing.launching ?? Promise.resolve(), options.signal, `launching container ${checked.id}`);
      return existing.status();
    }
    const container = new Container(checked, 'STARTING', this.#onState);
    this.#containers.set(container.id, container);
    container.launching = this.#launch(container, options);
    await container.launching;
    return container.status();
  }

  async plan(spec: ContainerSpec, options: CallOptions = {}) {
    this.#checkOpen();
    const checked = checkSpec(spec);
    const { store, provisioner, launcher } = this.#parts;
    const image = checked.image === undefined ? undefined : await store.get(checked.image, checked.pull);
    if (checked.image !== undefined && !image) {
      throw new GantryError('NOT_FOUND', `image ${checked.image} is not in the store: pull it first`, {
        details: { image: checked.image },
      });
    }
    const { source } = await resolveSource(checked, image, store, options);
    const rootfs = await provisioner.describe(checked.id, source);
    const context = prepareContext(this.#parts, checked, image, rootfs);
    const request = await composeRequest(this.#parts, context, this.#root.of(checked.id).path, options);
    return { config: request.config, plan: launcher.compile(request) };
  }

  async wait(id: ContainerId, options: CallOptions = {}): Promise<ContainerTermination> {
    return raceAbort(this.#get(id).terminated, options.signal, `waiting for container ${id}`);
  }

  async kill(id: ContainerId, signal?: string | number, options: CallOptions = {}): Promise<void> {
    const container = this.#get(id);
    const number = parseSignal(signal ?? container.record?.stopSignal ?? 'SIGTERM');
    const handle = container.running('signalling');
    await handle.signal(number, options);
  }

  async stop(
    id: ContainerId,
    options: CallOptions & { readonly graceMs?: number } = {},
  ): Promise<ContainerTermination> {
    const container = this.#get(id);
    if (container.state !== 'RUNNING') return this.destroy(id, options);
    container.destroyRequested = true;
    await this.kill(id, undefined, options);
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), options.graceMs ?? defaultGraceMs);
    });
    try {
      const ended = await raceAbort(
        Promise.race([container.terminated, grace]),
        options.signal,
        `stopping container ${id}`,
      );
      return ended ?? (await this.destroy(id, options));
    } finally {
      clearTimeout(timer);
    }
  }

  async destroy(id: ContainerId, options: CallOptions = {}): Promise<ContainerTermination> {
    const container = this.#get(id);
    const what = `destroying container ${id}`;
    if (container.state === 'DESTROYED') {
      const failed = await raceAbort(retryCleanUp(container, this.#parts), options.signal, what);
      if (failed.length > 0) throw cleanUpFailed(id, failed);
    } else {
      container.destroyRequested = true;
      container.abort.abort(new GantryError('ABORTED', `container ${id}: destroyed while it was being launched`));
      if (container.state === 'RUNNING' && container.handle) {
        await raceAbort(killAndWait(container.handle, this.#parts.launcher), options.signal, what);
      }
    }
    const termination = await raceAbort(container.terminated, options.signal, what);
    if (container.failedSteps.length > 0) throw cleanUpFailed(id, container.failedSteps);
    return termination;
  }

  async remove(id: ContainerId): Promise<void> {
    const container = this.#get(id);
    if (container.state !== 'DESTROYED' || container.failedSteps.length > 0) {
      const why = container.state === 'DESTROYED' ? 'its clean-up is not complete' : `it is ${container.state}`;
      throw new GantryError('WRONG_STATE', `removing container ${id}: ${why}; destroy it first`, {
        details: { id, state: container.state },
      });
    }
    if (container.folder) await this.#root.remove(id);
    this.#containers.delete(id);
  }

  async exec(id: ContainerId, spec: ExecSpec, options: CallOptions = {}): Promise<EnteredProcess> {
    checkExecSpec(spec);
    const container = this.#get(id);
    const handle = container.running('starting a process in');
    return handle.enter(await execRequest(container, this.#parts, spec, options), options);
  }

  async commit(id: ContainerId, options: CommitOptions): Promise<PulledImage> {
    const container = this.#get(id);
    container.running('committing');
    const digest = container.record?.image?.digest;
    if (digest === undefined) {
      throw new GantryError('NOT_FOUND', `committing container ${id}: it was not made of an image`, {
        details: { id },
      });
    }
    return commitContainer(this.#parts, { id, digest }, options);
  }

  async status(id: ContainerId): Promise<ContainerStatus> {
    return this.#get(id).status();
  }

  async usage(id: ContainerId, options: CallOptions = {}): Promise<ContainerUsage> {
    const container = this.#get(id);
    container.running('measuring');
    const readings = this.#parts.isolators.map((isolator) => isolator.usage?.(id));
    const parts = await raceAbort(Promise.all(readings), options.signal, `measuring container ${id}`);
    return Object.assign({ at: Date.now() }, ...parts) as ContainerUsage;
  }

  async *containers(): AsyncIterable<ContainerStatus> {
    const all = [...this.#containers.values()].sort((a, b) => a.createdAt - b.createdAt);
    for (const container of all) yield container.status();
  }

  async *logs(id: ContainerId, options: LogOptions = {}): AsyncIterable<LogEntry> {
    const { folder } = this.#get(id);
    if (folder) yield* this.#parts.launcher.readLog(folder.path, options);
  }

  async recover(options: CallOptions = {}): Promise<RecoveryReport> {
    this.#checkOpen();
    const report: MutableReport = { running: [], cleaned: [], foreign: [], failed: [] };
    await this.#root.sweep();
    const ids = (await this.#root.ids()).values();
    const worker = async () => {
      for (const id of ids) {
        if (options.signal?.aborted) throw abortedError(options.signal, 'recovering containers');
        await this.#recoverOne(id, report);
      }
    };
    await Promise.all(Array.from({ length: recoveriesAtOnce }, worker));
    await reapUnknown(this.#root, this.#parts, report);
    return report;
  }

  on<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): this {
    this.#emitter.on(event, listener as never);
    return this;
  }

  off<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): this {
    this.#emitter.off(event, listener as never);
    return this;
  }

  events(options: Pick<CallOptions, 'signal'> = {}): AsyncIterableIterator<ContainerizerEvent> {
    this.#checkOpen();
    const queue = new EventQueue(options, (ended) => this.#queues.delete(ended));
    this.#queues.add(queue);
    return queue;
  }

  /** Ends launches under way and lets go of everything else: running containers go on under their shims. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new GantryError('CLOSED', 'the containerizer was closed'));
    for (const container of this.#containers.values()) {
      if (container.launching) await container.launching.catch(() => undefined);
      if (container.state === 'RUNNING') await container.handle?.[Symbol.asyncDispose]();
      else if (!container.foreign) await container.terminated;
    }
    this.#containers.clear();
    try {
      await Promise.all([...this.#parts.isolators, this.#parts.launcher].map((part) => part.close?.()));
    } finally {
      for (const queue of this.#queues) queue.end();
      retireOwner(this.#root.owner);
    }
  }

  async #launch(container: Container, options: CallOptions): Promise<void> {
    const signals = [container.abort.signal, this.#closing.signal, ...(options.signal ? [options.signal] : [])];
    try {
      await runLaunch(container, this.#parts, this.#root, { ...options, signal: AbortSignal.any(signals) });
    } catch (error) {
      const failure = toGantryError(error, `launching container ${container.id}`);
      if (container.handle) await killAndWait(container.handle, this.#parts.launcher);
      await finish(container, this.#parts, { failure });
      throw failure;
    }
    this.#watch(container);
  }

  /** Follows a running container to its end. Never rejects: what fails is kept in the container's record. */
  #watch(container: Container): void {
    const { handle, folder } = container;
    if (handle && folder) void this.#follow(container, handle, folder);
  }

  async #follow(container: Container, handle: LaunchedContainer, folder: StateFolder): Promise<void> {
    const exit = await handle.exit;
    // Closing lets go of running containers: their next host program finishes them.
    if (this.#closing.signal.aborted) return;
    container.enter('DESTROYING');
    if (container.foreign) {
      const end = await awaitForeignEnd(folder, this.#root.owner, exit, this.#closing.signal);
      if (end === 'closed') return;
      if (end !== 'adopted') return container.end(end);
    }
    await finish(container, this.#parts, { exit, ...(exit.type === 'unknown' ? { orphan: handle.process } : {}) });
  }

  async #recoverOne(id: ContainerId, report: MutableReport): Promise<void> {
    if (this.#containers.has(id)) return;
    const folder = this.#root.of(id);
    try {
      const found = await inspect(folder, this.#root, this.#parts);
      if (found.type === 'busy') report.foreign.push(id);
      else await this.#take(found, folder, report);
    } catch (error) {
      report.failed.push({ id, message: toGantryError(error, `recovering container ${id}`).message });
      if (isGantryError(error, 'CORRUPT_STATE')) await this.#bury(folder, error, report);
    }
  }

  /** Holds a container that recovery found, in the state it is in. */
  async #take(found: Exclude<Found, { type: 'busy' }>, folder: StateFolder, report: MutableReport): Promise<void> {
    const { record } = found;
    const { id } = record.spec;
    if (found.type === 'ended') {
      const ended = Container.ended(record, folder, found.termination);
      this.#containers.set(id, ended);
      const failed = await retryCleanUp(ended, this.#parts);
      if (failed.length > 0) throw cleanUpFailed(id, failed);
      return;
    }
    const container = new Container(
      record.spec,
      found.type === 'running' ? 'RUNNING' : 'ISOLATING',
      this.#onState,
      record,
    );
    container.folder = folder;
    this.#containers.set(id, container);
    if (found.type === 'running') {
      container.handle = found.handle;
      container.foreign = found.foreign;
      (found.foreign ? report.foreign : report.running).push(id);
      this.#watch(container);
    } else {
      await finish(container, this.#parts, found);
      report.cleaned.push(id);
      if (container.failedSteps.length > 0) throw cleanUpFailed(id, container.failedSteps);
    }
  }

  async #bury(folder: StateFolder, error: GantryError, report: MutableReport): Promise<void> {
    try {
      await buryCorrupt(folder, this.#root, this.#parts, error);
    } catch (cause) {
      report.failed.push({
        id: folder.id,
        message: toGantryError(cause, `cleaning up container ${folder.id}`).message,
      });
    }
  }

  #onState = (container: Container, from: ContainerState | undefined): void => {
    const event = { id: container.id, ...(from ? { from } : {}), to: container.state };
    for (const queue of this.#queues) queue.push({ type: 'state', ...event });
    this.#emit('state', event);
    const { termination } = container;
    if (container.state !== 'DESTROYED' || !termination) return;
    for (const queue of this.#queues) queue.push({ type: 'terminated', termination });
    this.#emit('terminated', termination);
  };

  /** A listener that throws is the host program's own error, and must not stop a container's life half-way. */
  #emit<E extends keyof ContainerizerEvents>(event: E, ...args: ContainerizerEvents[E]): void {
    for (const listener of this.#emitter.listeners(event) as ((...args: ContainerizerEvents[E]) => void)[]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new GantryError('CLOSED', 'this containerizer is closed');
  }

  #get(id: ContainerId): Container {
    checkId(id);
    const container = this.#containers.get(id);
    if (!container) throw new GantryError('NOT_FOUND', `there is no container ${id}`, { details: { id } });
    return container;
  }
}

type MutableReport = { -readonly [K in keyof RecoveryReport]: RecoveryReport[K][number][] };

function alreadyExists(existing: Container): GantryError {
  const why =
    existing.state === 'DESTROYED'
      ? 'has ended and is still listed: remove it first'
      : 'was launched from another spec';
  return new GantryError('ALREADY_EXISTS', `container ${existing.id} ${why}`, { details: { id: existing.id } });
}
