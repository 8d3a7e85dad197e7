import type { Duplex } from 'node:stream';
import {
  type Attachment,
  type AttachOptions,
  type CallOptions,
  type CommitOptions,
  type ContainerId,
  type Containerizer,
  type ContainerizerEvent,
  type ContainerizerEvents,
  type ContainerSpec,
  type ContainerStatus,
  type ContainerTermination,
  type ContainerUsage,
  type EnteredProcess,
  type ExecSpec,
  GantryError,
  type LogEntry,
  type LogOptions,
  type MemoryEvent,
  type MemoryEventsOptions,
  type PodSpec,
  type PodStatus,
  type PulledImage,
  type RecoveryReport,
  type Resources,
  raceAbort,
  throwIfAborted,
  toGantryError,
  type Volumes,
} from '@gantry/interface';
import { retryCleanUp } from './cleanup.js';
import { commitContainer } from './commit.js';
import type { Container } from './container.js';
import { signalAll, updateResources } from './control.js';
import { copyFrom, copyInto } from './copy.js';
import { composeRequest, prepareContext, resolveSource } from './document.js';
import { EventHub } from './event-hub.js';
import { execution, hasUsers, requestOf } from './exec.js';
import { launchPod } from './launch-pod.js';
import { Lifecycle } from './lifecycle.js';
import { followMemory } from './memory-events.js';
import { retireOwner } from './owner.js';
import type { ContainerizerParts } from './parts.js';
import { pause, resume } from './pausing.js';
import { volumesOf } from './persistent.js';
import { checkPod } from './pod.js';
import { Recoverer } from './recoverer.js';
import { cleanUpFailed } from './recovery.js';
import { groupOwner, refuseFrozenWithParent, refuseShared } from './shared-groups.js';
import { parseSignal } from './signals.js';
import { removeDeadSpares } from './spare-groups.js';
import { checkExecSpec, checkId, checkResources, checkSpec, sameSpec } from './spec.js';
import type { StateRoot } from './state-folder.js';
import { storedVolumeImages } from './volume-images.js';

/** The life cycle of containers over the parts it is given. Made by `createContainerizer`. */
export class GantryContainerizer implements Containerizer {
  readonly #parts: ContainerizerParts;
  readonly #root: StateRoot;
  readonly #events = new EventHub();
  readonly #life: Lifecycle;
  readonly volumes: Volumes;

  constructor(parts: ContainerizerParts, root: StateRoot) {
    this.#parts = parts;
    this.#root = root;
    this.volumes = volumesOf(parts.persistent, () => this.#checkOpen());
    this.#life = new Lifecycle(parts, root, this.#events);
  }

  async launch(spec: ContainerSpec, options: CallOptions = {}): Promise<ContainerStatus> {
    this.#checkOpen();
    const checked = checkSpec(spec);
    const existing = this.#life.containers.get(checked.id);
    if (existing) {
      if (existing.state === 'DESTROYED' || existing.pod || !sameSpec(existing.spec, checked)) {
        throw alreadyExists(existing);
      }
      await raceAbort(existing.launching ?? Promise.resolve(), options.signal, `launching container ${checked.id}`);
      return existing.status();
    }
    const container = this.#life.create(checked);
    container.launching = this.#life.launch(container, options);
    await container.launching;
    return container.status();
  }

  async launchPod(spec: PodSpec, options: CallOptions = {}): Promise<PodStatus> {
    this.#checkOpen();
    const pod = checkPod(spec, this.#parts.volumes);
    const { id } = pod.sandbox;
    const existing = this.#life.containers.get(id);
    if (existing) {
      const same = existing.state !== 'DESTROYED' && existing.pod?.digest === pod.record.digest;
      if (!same) throw alreadyExists(existing);
      await raceAbort(existing.launching ?? Promise.resolve(), options.signal, `launching pod ${id}`);
      return { id, containers: existing.pod?.containers ?? [] };
    }
    const taken = pod.containers.map((container) => this.#life.containers.get(container.id)).find((held) => held);
    if (taken) throw alreadyExists(taken);
    await launchPod(this.#life, pod, options);
    return { id, containers: pod.record.containers };
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
    if (checked.parent !== undefined) this.#get(checked.parent).running('nesting a container in');
    const ancestors = this.#life.ancestorsOf({ spec: checked });
    const { source } = await resolveSource(checked, image, this.#parts, options);
    const rootfs = await provisioner.describe(checked.id, source);
    const images = await storedVolumeImages(checked, this.#parts, options);
    const context = prepareContext(this.#parts, checked, image, rootfs, ancestors, images);
    const request = await composeRequest(this.#parts, context, this.#root.of(checked.id).path, options);
    return { config: request.config, plan: launcher.compile(request) };
  }

  async wait(id: ContainerId, options: CallOptions = {}): Promise<ContainerTermination> {
    return raceAbort(this.#get(id).terminated, options.signal, `waiting for container ${id}`);
  }

  async kill(
    id: ContainerId,
    signal?: string | number,
    { all, ...options }: CallOptions & { readonly all?: boolean } = {},
  ): Promise<void> {
    const container = this.#get(id);
    const number = parseSignal(signal ?? container.record?.stopSignal ?? 'SIGTERM');
    const handle = container.alive('signalling');
    if (all) refuseShared(container, 'signalling all processes of');
    if (all) await signalAll(this.#parts, container, number, options);
    else await handle.signal(number, options);
  }

  async stop(
    id: ContainerId,
    options: CallOptions & { readonly graceMs?: number } = {},
  ): Promise<ContainerTermination> {
    const container = this.#get(id);
    if (!container.isAlive) return this.destroy(id, options);
    throwIfAborted(options.signal, `stopping container ${id}`);
    refuseFrozenWithParent(container);
    container.destroyRequested = true;
    return this.#settled(container, this.#life.stop(container, options.graceMs), options, 'stopping');
  }

  async destroy(id: ContainerId, options: CallOptions = {}): Promise<ContainerTermination> {
    const container = this.#get(id);
    if (container.state === 'DESTROYED') {
      const retried = retryCleanUp(container, this.#parts).then(() => container.terminated);
      return this.#settled(container, retried, options, 'destroying');
    }
    throwIfAborted(options.signal, `destroying container ${id}`);
    refuseFrozenWithParent(container);
    container.destroyRequested = true;
    return this.#settled(container, this.#life.end(container), options, 'destroying');
  }

  async remove(id: ContainerId): Promise<void> {
    const container = this.#get(id);
    if (container.state !== 'DESTROYED' || container.failedSteps.length > 0) {
      const why = container.state === 'DESTROYED' ? 'its clean-up is not complete' : `it is ${container.state}`;
      throw new GantryError('WRONG_STATE', `removing container ${id}: ${why}; destroy it first`, {
        details: { id, state: container.state },
      });
    }
    for (const child of this.#life.childrenOf(container)) await this.remove(child.id);
    try {
      if (container.folder) await this.#root.remove(id);
    } catch (error) {
      throw toGantryError(error, `removing container ${id}`);
    }
    this.#life.forget(container);
  }

  async pause(id: ContainerId, options: CallOptions = {}): Promise<void> {
    const container = this.#get(id);
    container.alive('pausing');
    refuseShared(container, 'pausing');
    await pause(this.#life, container, options);
  }

  async resume(id: ContainerId, options: CallOptions = {}): Promise<void> {
    const container = this.#get(id);
    container.alive('resuming');
    refuseShared(container, 'resuming');
    await resume(this.#life, container, options);
  }

  async update(id: ContainerId, resources: Resources, options: CallOptions = {}): Promise<void> {
    checkResources(resources);
    const container = this.#get(id);
    refuseShared(container, 'updating');
    await container.updates.run(async () => {
      container.alive('updating');
      await updateResources(this.#parts, container, resources, options);
      await container.amend({ resources: structuredClone(resources) });
    });
  }

  async exec(id: ContainerId, spec: ExecSpec, options: CallOptions = {}): Promise<EnteredProcess> {
    checkExecSpec(spec);
    const container = this.#get(id);
    const handle = container.running('starting a process in');
    return handle.enter(...(await execution(container, this.#parts, spec, options)));
  }

  async attach(id: ContainerId, options: AttachOptions = {}): Promise<Attachment> {
    return this.#get(id).alive('attaching to').attach(options);
  }

  async connect(id: ContainerId, port: number, options: CallOptions = {}): Promise<Duplex> {
    const container = this.#get(id);
    const handle = container.running('connecting to');
    return handle.connect(await requestOf(container), port, options);
  }

  async copyIn(
    id: ContainerId,
    folder: string,
    archive: AsyncIterable<Uint8Array>,
    options: CallOptions = {},
  ): Promise<void> {
    const container = this.#get(id);
    const { process } = container.alive('copying into');
    await copyInto(process, folder, archive, options, hasUsers(await requestOf(container)));
  }

  async *copyOut(id: ContainerId, path: string, options: CallOptions = {}): AsyncIterable<Uint8Array> {
    const container = this.#get(id);
    const { process } = container.alive('copying out of');
    yield* copyFrom(process, path, options, hasUsers(await requestOf(container)));
  }

  async commit(id: ContainerId, options: CommitOptions): Promise<PulledImage> {
    const container = this.#get(id);
    container.alive('committing');
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
    const { pid } = container.alive('measuring').process;
    const owner = groupOwner(container, this.#life.containers).id;
    const readings = this.#parts.isolators.map((isolator) => {
      return isolator.usage?.(isolator.name.startsWith('cgroups/') ? owner : id, pid);
    });
    const parts = await raceAbort(Promise.all(readings), options.signal, `measuring container ${id}`);
    return Object.assign({ at: Date.now() }, ...parts) as ContainerUsage;
  }

  memoryEvents(id: ContainerId, options: MemoryEventsOptions = {}): AsyncIterableIterator<MemoryEvent> {
    this.#checkOpen();
    const container = this.#get(id);
    const handle = container.alive('following the memory of');
    const owner = groupOwner(container, this.#life.containers).id;
    return followMemory(this.#parts, { owner, handle, closing: this.#life.closing.signal }, options);
  }

  async *containers(): AsyncIterable<ContainerStatus> {
    const all = [...this.#life.containers.values()].sort((a, b) => a.createdAt - b.createdAt);
    for (const container of all) yield container.status();
  }

  async *logs(id: ContainerId, options: LogOptions = {}): AsyncIterable<LogEntry> {
    const { folder } = this.#get(id);
    if (folder) yield* this.#parts.launcher.readLog(folder.path, options);
  }

  async recover(options: CallOptions = {}): Promise<RecoveryReport> {
    this.#checkOpen();
    return new Recoverer(this.#life).run(options);
  }

  on<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): this {
    this.#events.on(event, listener);
    return this;
  }

  off<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): this {
    this.#events.off(event, listener);
    return this;
  }

  events(options: Pick<CallOptions, 'signal'> = {}): AsyncIterableIterator<ContainerizerEvent> {
    this.#checkOpen();
    return this.#events.queue(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#life.closing.signal.aborted) return;
    await this.#life.close();
    try {
      // First, since it keeps control groups ready below the parent of all.
      await this.#parts.launcher.close?.();
      await removeDeadSpares(this.#parts.isolators);
    } finally {
      await this.#closeIsolators();
    }
  }

  async #closeIsolators(): Promise<void> {
    try {
      await Promise.all(this.#parts.isolators.map((isolator) => isolator.close?.()));
    } finally {
      this.#events.close();
      retireOwner(this.#root.owner);
    }
  }

  /** Waits for an end that goes on whether or not the caller does. */
  async #settled(
    container: Container,
    ending: Promise<ContainerTermination>,
    { signal }: CallOptions,
    what: string,
  ): Promise<ContainerTermination> {
    const termination = await raceAbort(ending, signal, `${what} container ${container.id}`);
    if (container.failedSteps.length > 0) throw cleanUpFailed(container.id, container.failedSteps);
    return termination;
  }

  #checkOpen(): void {
    if (this.#life.closing.signal.aborted) throw new GantryError('CLOSED', 'this containerizer is closed');
  }

  #get(id: ContainerId): Container {
    checkId(id);
    const container = this.#life.containers.get(id);
    if (!container) throw new GantryError('NOT_FOUND', `there is no container ${id}`, { details: { id } });
    return container;
  }
}

function alreadyExists(existing: Container): GantryError {
  const why =
    existing.state === 'DESTROYED'
      ? 'has ended and is still listed: remove it first'
      : 'was launched from another spec';
  return new GantryError('ALREADY_EXISTS', `container ${existing.id} ${why}`, { details: { id: existing.id } });
}
