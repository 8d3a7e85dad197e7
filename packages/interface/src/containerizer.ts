import type { Duplex } from 'node:stream';
import type {
  ContainerId,
  ContainerSpec,
  ContainerState,
  ContainerStatus,
  ContainerTermination,
  ExecSpec,
} from './container.js';
import type { ImageConfig } from './image.js';
import type { EnteredProcess, LaunchPlan } from './launcher.js';
import type { MemoryEvent, MemoryEventsOptions } from './memory-events.js';
import type { OciSpec } from './oci-runtime.js';
import type { CallOptions } from './options.js';
import type { PodSpec, PodStatus } from './pod.js';
import type { Resources } from './resources.js';
import type { PulledImage } from './store.js';
import type { Attachment, AttachOptions, LogEntry, LogOptions } from './streams.js';
import type { ContainerUsage } from './usage.js';
import type { Volumes } from './volumes.js';

/** What the containerizer tells about all its containers. */
export interface ContainerizerEvents {
  /** Every transition, in order a container. */
  state: [event: { readonly id: ContainerId; readonly from?: ContainerState; readonly to: ContainerState }];
  /** Once a container, when it is DESTROYED. */
  terminated: [termination: ContainerTermination];
}

/** One of these events, as {@link Containerizer.events} gives them. */
export type ContainerizerEvent =
  | ({ readonly type: 'state' } & ContainerizerEvents['state'][0])
  | { readonly type: 'terminated'; readonly termination: ContainerTermination };

export interface RecoveryReport {
  /** Running, watched and usable again. */
  readonly running: readonly ContainerId[];
  /** Ended while no host program ran, or half-launched; cleaned up now. */
  readonly cleaned: readonly ContainerId[];
  /** Belong to another live host program; left alone. */
  readonly foreign: readonly ContainerId[];
  /** Records or leftovers that could not be dealt with, and why; an empty id for what is no container's. The others are not affected. */
  readonly failed: readonly { readonly id: ContainerId; readonly message: string }[];
}

/** How an image made of a container is to run, where that is not as the container's own image. */
export type ConfigChanges = Partial<Omit<ImageConfig, 'platform' | 'created'>>;

export interface CommitOptions extends CallOptions {
  /** The reference under which the store keeps the image; one that is there comes to stand for it. */
  readonly as: string;
  /** How the image runs, where that is not as the container's own image; each field replaces that image's. */
  readonly config?: ConfigChanges;
  readonly author?: string;
  readonly comment?: string;
  /** Where the layer is put together; it may become as large as what the container wrote. Default: the system's temporary folder. */
  readonly workFolder?: string;
}

/** Runs containers. Ended ones stay listed, with their termination and log, until `remove`. */
export interface Containerizer extends AsyncDisposable {
  /** What outlives containers. */
  readonly volumes: Volumes;
  /**
   * Takes a container from its spec to RUNNING. Idempotent by `spec.id` and equal spec; `ALREADY_EXISTS` for another
   * spec of the same id. A failed or aborted launch leaves nothing but its termination.
   */
  launch(spec: ContainerSpec, options?: CallOptions): Promise<ContainerStatus>;
  /** The merged OCI document and the launch plan of a spec, from an image that is in the store; starts nothing. */
  plan(spec: ContainerSpec, options?: CallOptions): Promise<{ readonly config: OciSpec; readonly plan: LaunchPlan }>;
  /** Resolves when the container is DESTROYED; also when it already is. */
  wait(id: ContainerId, options?: CallOptions): Promise<ContainerTermination>;
  /**
   * Launches a sandbox and all its containers, or nothing: if one cannot be launched, or the host program ends before
   * all are, none is left. `wait`, `stop`, `destroy` and `remove` of the pod's id are about all of it. Idempotent as `launch`.
   */
  launchPod(spec: PodSpec, options?: CallOptions): Promise<PodStatus>;
  /** Sends a signal (name or number; default the container's stop signal) to the first process, or with `all` to every one. */
  kill(id: ContainerId, signal?: string | number, options?: CallOptions & { readonly all?: boolean }): Promise<void>;
  /** Stops every process of a RUNNING container, and of those nested in it, where it is: PAUSED. Idempotent; `UNSUPPORTED` without a freezer. */
  pause(id: ContainerId, options?: CallOptions): Promise<void>;
  /** Lets a PAUSED container and those nested in it go on. Idempotent. */
  resume(id: ContainerId, options?: CallOptions): Promise<void>;
  /** Puts other limits in place of a running container's, all or none; `resources` is whole. */
  update(id: ContainerId, resources: Resources, options?: CallOptions): Promise<void>;
  /** Stop signal, then SIGKILL after `graceMs` (default 10 000), then as `wait`. */
  stop(id: ContainerId, options?: CallOptions & { readonly graceMs?: number }): Promise<ContainerTermination>;
  /** Ends the container in any state and cleans up. Retries clean-up steps that failed before; `CLEANUP_FAILED` if one still does. */
  destroy(id: ContainerId, options?: CallOptions): Promise<ContainerTermination>;
  /** Forgets a DESTROYED container: its termination, log and state folder. */
  remove(id: ContainerId): Promise<void>;
  /**
   * Starts another process in a running container, with the container's own limits and the privileges of its user there; resolves once
   * its exec succeeded. `WRONG_STATE` if the container does not run, `LAUNCH_FAILED` if the program cannot be started.
   */
  exec(id: ContainerId, spec: ExecSpec, options?: CallOptions): Promise<EnteredProcess>;
  /** A client of a running container's streams. */
  attach(id: ContainerId, options?: AttachOptions): Promise<Attachment>;
  /** A TCP connection to a port of the container's own loopback, from inside its network. `UNREACHABLE` if nobody listens. */
  connect(id: ContainerId, port: number, options?: CallOptions): Promise<Duplex>;
  /**
   * Unpacks an archive (an uncompressed tar) into a folder of a running container, as the container sees it. Files, links and
   * empty folders that are in the way are replaced, folders merge; `WRONG_STATE` for a folder with something in it, or a
   * mount, where the archive has something else; `UNSUPPORTED` for a device, which would pass by the container's rules. What
   * was copied before an error stays. Nothing outside the container's root is touched, whatever the archive or the container do.
   */
  copyIn(id: ContainerId, folder: string, archive: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<void>;
  /** A file or tree of a running container as an archive (tar) whose names begin with the last part of `path`. `NOT_FOUND` if there is none. */
  copyOut(id: ContainerId, path: string, options?: CallOptions): AsyncIterable<Uint8Array>;
  /**
   * Makes an image of what a running container changed in its root, and puts it into the store. All or nothing; but the
   * container is not held meanwhile: `WRONG_STATE` for a file that changes while it is read. `NOT_FOUND` for a container
   * without an image; `UNSUPPORTED` where the provisioner cannot tell changes.
   */
  commit(id: ContainerId, options: CommitOptions): Promise<PulledImage>;
  status(id: ContainerId): Promise<ContainerStatus>;
  usage(id: ContainerId, options?: CallOptions): Promise<ContainerUsage>;
  /**
   * What the kernel tells of a running container's memory, from the call on: limits that it meets, and the pressure that is asked for. A
   * reader who takes his time finds what came meanwhile put together. Ends with the container, or when the containerizer is closed; fails
   * with `ABORTED`. Throws `REFUSED` for a trigger that this host does not have, `UNSUPPORTED` without the isolator `cgroups/mem`.
   */
  memoryEvents(id: ContainerId, options?: MemoryEventsOptions): AsyncIterableIterator<MemoryEvent>;
  /** Every container, in order of creation. */
  containers(): AsyncIterable<ContainerStatus>;
  logs(id: ContainerId, options?: LogOptions): AsyncIterable<LogEntry>;
  /** Takes up what an earlier host program left. Call it once before anything else. Running it again gives the same state. */
  recover(options?: CallOptions): Promise<RecoveryReport>;
  on<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): this;
  off<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): this;
  /**
   * The same events, from the call on, for a reader who takes his time. Ends when the containerizer is closed; fails with
   * `ABORTED`, or with `LIMIT_EXCEEDED` once 100,000 wait to be read.
   */
  events(options?: Pick<CallOptions, 'signal'>): AsyncIterableIterator<ContainerizerEvent>;
}
