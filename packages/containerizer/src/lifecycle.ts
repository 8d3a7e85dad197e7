import {
  type CallOptions,
  type ContainerId,
  type ContainerTermination,
  GantryError,
  type LaunchedContainer,
  raceAbort,
  toGantryError,
} from '@gantry/interface';
import { type Ending, finish } from './cleanup.js';
import { Container } from './container.js';
import { freeze } from './control.js';
import { killAndWait } from './ending.js';
import type { EventHub } from './event-hub.js';
import { awaitForeignEnd } from './foreign.js';
import { runLaunch } from './launch.js';
import { watchLimits } from './limits.js';
import type { ContainerizerParts } from './parts.js';
import { isOver } from './pod.js';
import { groupOwner } from './shared-groups.js';
import type { CheckedSpec } from './spec.js';
import type { StateFolder, StateRoot } from './state-folder.js';

const sigkill = 9;
const defaultGraceMs = 10_000;

/** Takes containers, and those nested in them, through their states. A parent ends after its children. */
export class Lifecycle {
  readonly containers = new Map<ContainerId, Container>();
  readonly closing = new AbortController();
  readonly #children = new Map<ContainerId, Set<Container>>();

  constructor(
    readonly parts: ContainerizerParts,
    readonly root: StateRoot,
    readonly events: EventHub,
  ) {}

  /** Takes a new container in, STARTING. */
  create(spec: CheckedSpec): Container {
    return this.adopt(new Container(spec, 'STARTING', this.events.onState));
  }

  /** Takes in a container in whatever state. */
  adopt(container: Container): Container {
    this.containers.set(container.id, container);
    const { parent } = container.spec;
    if (parent === undefined) return container;
    const children = this.#children.get(parent) ?? new Set();
    this.#children.set(parent, children.add(container));
    return container;
  }

  /** Lets go of an ended container. */
  forget(container: Container): void {
    this.containers.delete(container.id);
    const { parent } = container.spec;
    if (parent === undefined) return;
    const children = this.#children.get(parent);
    children?.delete(container);
    if (children?.size === 0) this.#children.delete(parent);
  }

  childrenOf(container: Container): readonly Container[] {
    return [...(this.#children.get(container.id) ?? [])];
  }

  /** What a container is nested in, the nearest first. */
  ancestorsOf({ spec }: Pick<Container, 'spec'>): readonly Container[] {
    const ancestors: Container[] = [];
    for (let id = spec.parent; id !== undefined; id = ancestors.at(-1)?.spec.parent) {
      const ancestor = this.containers.get(id);
      if (!ancestor) break;
      ancestors.push(ancestor);
    }
    return ancestors;
  }

  /** Launches a container that was created, or undoes what was done of it and throws. */
  async launch(container: Container, options: CallOptions): Promise<void> {
    const signals = [container.abort.signal, this.closing.signal, ...(options.signal ? [options.signal] : [])];
    try {
      await runLaunch(container, this.#ancestorsOf(container), this.parts, this.root, {
        ...options,
        signal: AbortSignal.any(signals),
      });
    } catch (error) {
      const failure = toGantryError(error, `launching container ${container.id}`);
      const killed = container.handle && (await killAndWait(container.handle, this.parts.launcher));
      await this.finish(container, { failure, ...(killed ? { killed } : {}) });
      throw failure;
    }
    this.watch(container);
  }

  /** Follows a running container to its end. Never rejects: what fails is kept in the container's record. */
  watch(container: Container): void {
    const { handle, folder } = container;
    if (!handle || !folder) return;
    void this.#follow(container, handle, folder);
    if (!container.foreign) void watchLimits(this, container);
  }

  /** Ends what is nested in a container that has no processes any more, then it. Never rejects. */
  async finish(container: Container, ending: Ending): Promise<void> {
    if (container.state !== 'DESTROYING') container.enter('DESTROYING');
    await this.#endChildren(container);
    await finish(container, this.parts, ending);
    this.#reviewParent(container);
  }

  /**
   * Ends a container in whatever state, after those nested in it. Resolves when it is DESTROYED; rejects only if the kernel
   * refuses to end a process whose shim does not answer.
   */
  async end(container: Container): Promise<ContainerTermination> {
    if (container.state === 'DESTROYED') return container.terminated;
    container.isEnding = true;
    container.abort.abort(
      new GantryError('ABORTED', `container ${container.id}: destroyed while it was being launched`),
    );
    await this.#endChildren(container);
    if (container.isAlive && container.handle) {
      if (container.state === 'PAUSED') await this.#killPaused(container, container.handle);
      container.giveUp(await killAndWait(container.handle, this.parts.launcher));
    }
    return container.terminated;
  }

  /** Has a running container, after those nested in it, end by its stop signal, or by SIGKILL when the grace is over. */
  async stop(container: Container, graceMs: number = defaultGraceMs): Promise<ContainerTermination> {
    if (!container.isAlive || !container.handle) return this.end(container);
    container.isEnding = true;
    await Promise.all(this.childrenOf(container).map((child) => this.stop(child, graceMs)));
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), graceMs);
    });
    try {
      // Begun before anything is asked of the shim, which may not answer.
      const stopped = this.#askToStop(container, container.handle).then(() => container.terminated);
      return (await Promise.race([stopped, grace])) ?? (await this.end(container));
    } catch {
      // What cannot be asked to end is ended.
      return this.end(container);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends a pod whose policy says so, given what its containers came to. */
  review(pod: Container): void {
    const record = pod.pod;
    if (!record || !pod.complete || !pod.isAlive || pod.foreign || this.closing.signal.aborted) return;
    const ends = record.containers.map((id) => this.containers.get(id)?.termination);
    // Who waits for it waits for the pod; what fails is for the next `destroy` to tell.
    if (isOver(record.endsWith, ends)) this.stop(pod).catch(() => undefined);
  }

  /** Ends launches under way and lets go of everything else: running containers go on under their shims. */
  async close(): Promise<void> {
    this.closing.abort(new GantryError('CLOSED', 'the containerizer was closed'));
    for (const container of this.containers.values()) {
      if (container.launching) await container.launching.catch(() => undefined);
    }
    for (const container of this.containers.values()) {
      if (container.isAlive && !container.isEnding) await container.handle?.[Symbol.asyncDispose]();
      else if (!container.foreign) await container.terminated;
    }
    this.containers.clear();
    this.#children.clear();
  }

  async #endChildren(container: Container): Promise<void> {
    const ends = this.childrenOf(container).map((child) => {
      if (child.state !== 'DESTROYING' && child.state !== 'DESTROYED') {
        child.failure ??= new GantryError('ABORTED', `container ${child.id}: its parent ${container.id} ended`);
      }
      return this.end(child);
    });
    // One that cannot be ended is still there for the next `destroy`, and no reason to leave the others.
    await Promise.allSettled(ends);
  }

  #ancestorsOf(container: Container): readonly Container[] {
    const { id, spec } = container;
    if (spec.parent === undefined) return [];
    const ancestors = this.ancestorsOf(container);
    const [parent] = ancestors;
    if (!parent) {
      throw new GantryError('NOT_FOUND', `container ${id}: there is no container ${spec.parent} to be nested in`, {
        details: { id, parent: spec.parent },
      });
    }
    parent.running(`nesting container ${id} in`);
    if (!parent.foreign) return ancestors;
    throw new GantryError('WRONG_STATE', `container ${id}: its parent ${parent.id} is another host program's`, {
      details: { id, parent: parent.id },
    });
  }

  async #follow(container: Container, handle: LaunchedContainer, folder: StateFolder): Promise<void> {
    const exit = await Promise.race([handle.exit, container.givenUp]);
    // Closing lets go of running containers: their next host program finishes them.
    if (this.closing.signal.aborted && !container.isEnding) return;
    container.enter('DESTROYING');
    if (container.foreign) {
      const end = await awaitForeignEnd(folder, this.root.owner, exit, this.closing.signal);
      if (end === 'closed') return;
      if (end !== 'adopted') return container.end(end);
    }
    await this.finish(container, { exit, ...(exit.type === 'unknown' ? { orphan: handle.process } : {}) });
  }

  async #askToStop(container: Container, handle: LaunchedContainer): Promise<void> {
    await handle.signal(container.record?.stopSignal ?? 15);
    if (container.state === 'PAUSED') await freeze(this.parts, groupOwner(container, this.containers), false, {});
  }

  /** On cgroup v1 a process that is frozen does not die before it is let go. */
  async #killPaused(container: Container, handle: LaunchedContainer): Promise<void> {
    const deadline = AbortSignal.timeout(defaultGraceMs);
    try {
      await raceAbort(handle.signal(sigkill), deadline, `ending container ${container.id}`);
      await freeze(this.parts, groupOwner(container, this.containers), false, { signal: deadline });
    } catch {
      // Clean-up lets go of it again, and tells if that fails.
    }
  }

  #reviewParent({ spec }: Container): void {
    const parent = spec.parent === undefined ? undefined : this.containers.get(spec.parent);
    if (parent) this.review(parent);
  }
}
