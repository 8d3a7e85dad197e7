import type { ContainerId, ContainerSpec, ContainerStatus, Limitation, SharedNamespace } from './container.js';
import type { ImageConfig } from './image.js';
import type { LandlockRules } from './landlock.js';
import type { ProcessIdentity } from './launcher.js';
import type { MemoryEvent, MemoryEventsOptions } from './memory-events.js';
import type {
  OciCapabilities,
  OciDevice,
  OciHooks,
  OciIdMapping,
  OciLinux,
  OciMount,
  OciNamespace,
  OciResources,
  OciRlimit,
  OciSeccomp,
  OciUser,
} from './oci-runtime.js';
import type { CallOptions } from './options.js';
import type { Rootfs } from './provisioner.js';
import type { Resources } from './resources.js';
import type { LaunchSecrets, SecretFile } from './secrets.js';
import type { UnpackedImage } from './store.js';
import type { ContainerUsage } from './usage.js';

/** Which control-group tree this host has and where. Found once by the isolators, handed to the launcher as data. */
export interface CgroupLayout {
  readonly version: 'v1' | 'v2';
  /**
   * A mount for each v1 controller, e.g. `memory` → `/sys/fs/cgroup/memory`, and that of the v2 tree, if there is one, under
   * the key `unified`. A hybrid host has both; `version` says where cpu, memory and pids are.
   */
  readonly mounts: ReadonlyMap<string, string>;
  /** What the v2 tree offers: the controllers that no v1 hierarchy has taken. Absent: all, on v2; none, on v1. */
  readonly unified?: readonly string[];
}

/** All that an isolator may look at. */
export interface PrepareContext {
  readonly id: ContainerId;
  /** Without credentials. */
  readonly spec: ContainerSpec;
  /** Absent for a container without an image. */
  readonly image?: ImageConfig;
  readonly rootfs: Rootfs;
  /** Of its mounts of type `image`, by their targets; empty if it has none. */
  readonly images?: ReadonlyMap<string, UnpackedImage>;
  /** `/gantry/<id>`: the container's control group below each controller's mount. */
  readonly cgroupPath: string;
  /** At `prepare`: what all isolators together ask of the control groups. */
  readonly resources?: OciResources;
  /** Of a nested container: its parent's first process, and the namespaces that both are to be in. */
  readonly parent?: {
    readonly process: ProcessIdentity;
    readonly spec: ContainerSpec;
    readonly share: ReadonlySet<SharedNamespace>;
    /** Its own parent, if it is nested too. */
    readonly parent?: PrepareContext['parent'];
  };
}

/**
 * What an isolator asks for, merged into the OCI document in isolator order. Scalars, and list items with the same
 * key (environment by name, mounts by destination, namespaces by type, rlimits by type, devices by path, resources
 * and sysctls by field), that two isolators set to different values are a `CONFLICT`.
 */
export interface IsolatorEdits {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Variables for which `env`, of whichever isolator, has no value; as an image's. */
  readonly defaultEnv?: Readonly<Record<string, string>>;
  /** Names of variables whose values `secrets` gives. */
  readonly secretEnv?: readonly string[];
  /** Files whose contents `secrets` gives. */
  readonly secretFiles?: readonly SecretFile[];
  readonly cwd?: string;
  readonly user?: OciUser;
  /** Groups of the user besides those of `user`; those of several isolators are put together. */
  readonly additionalGids?: readonly number[];
  readonly capabilities?: OciCapabilities;
  readonly rlimits?: readonly RlimitEdit[];
  readonly noNewPrivileges?: boolean;
  readonly oomScoreAdj?: number;
  readonly hostname?: string;
  readonly rootReadonly?: boolean;
  /** Whatever their order, they are made from the root down. */
  readonly mounts?: readonly OciMount[];
  readonly namespaces?: readonly OciNamespace[];
  readonly devices?: readonly OciDevice[];
  /** Those of several isolators are run one after the other. Of whoever has the host in trust, never of an image. */
  readonly hooks?: OciHooks;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly sysctl?: Readonly<Record<string, string>>;
  /** Those of several isolators are put together; a list (devices, throttles, huge pages) is one after the other. */
  readonly resources?: OciResources;
  readonly seccomp?: OciSeccomp;
  readonly landlock?: LandlockRules;
  readonly uidMappings?: readonly OciIdMapping[];
  readonly gidMappings?: readonly OciIdMapping[];
  readonly timeOffsets?: OciLinux['timeOffsets'];
  /** Of the mount tree: `private` (default) or `slave`. */
  readonly rootfsPropagation?: string;
  /** For those who read the document; by key. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Folders of control groups, made and limited by `prepare`, that the first process joins before anything else. */
  readonly cgroups?: readonly string[];
}

export interface RlimitEdit extends OciRlimit {
  /** A default of ours is lowered to what the host allows; a request that cannot be met fails the launch. */
  readonly origin: 'request' | 'default';
}

/** An isolator's part of a container's status. */
export type IsolatorStatus = Pick<ContainerStatus, 'networks' | 'ports' | 'gpus'>;

/**
 * One aspect of isolation. `edits` says what the container needs and changes nothing on the host; when all edits are
 * merged without conflict, `prepare` makes on the host what they rely on (a control group, say), before the first
 * process exists; `isolate` runs while that process is blocked. `cleanup` is idempotent, may be called for unknown
 * ids, and needs no memory of `prepare`.
 */
export interface Isolator {
  /** Mesos's name for it: `cgroups/mem`. */
  readonly name: string;
  /** Names, or families as `filesystem/*`, of isolators that must come earlier, if present. */
  readonly after?: readonly string[];
  /**
   * What of a spec is refused unless an isolator serves it: `mounts.TYPE` for a mount of that type, `devices.cdi`,
   * `resources.gpus`, or the name of a field (`secretEnv`).
   */
  readonly serves?: readonly string[];
  /**
   * Takes what `edits` of several containers choose from, as one of many devices. Asked before `edits`, of a launch alone: for a plan
   * they say what it would be. What is taken is the launch's, and let go with the disposal, until `prepare` makes it the container's.
   */
  reserve?(context: PrepareContext, options?: CallOptions): Promise<AsyncDisposable | undefined>;
  /** Reads, but changes nothing. Refuses what cannot be met with `REFUSED`, naming itself and the remedy. */
  edits(context: PrepareContext, options?: CallOptions): Promise<IsolatorEdits>;
  /**
   * What there is for `prepare` to do: `nothing`, or something that matters to the container's control groups only (`groups`), so that
   * its root can be made meanwhile. Default `anything`: it is over before anything is done.
   */
  prepares?(context: PrepareContext): 'nothing' | 'groups' | 'anything';
  /** Makes what the edits rely on. Refuses with `REFUSED`; what it has made by then is removed by `cleanup`. */
  prepare?(context: PrepareContext, options?: CallOptions): Promise<void>;
  /**
   * Does now what `prepare` would do for a container like this one to come, whose id and `cgroupPath` are made up. Of those alone that
   * have to do with control groups only (`groups`); undone by `cleanup`. False if that cannot be: some of it may be there. Default: it cannot.
   */
  prepareAhead?(context: PrepareContext): Promise<boolean>;
  /**
   * Makes what was prepared ahead for the control group `path` the container's, if it is just what `prepare` would make; `prepare` is
   * then not called. False if it is not, or if there is more of it than this container is to have.
   */
  takeOver?(context: PrepareContext, path: string): Promise<boolean>;
  /**
   * What no document may hold, asked once all is prepared, and for each process started in the container (`exec`), which
   * needs variables only. Refuses with `REFUSED`.
   */
  secrets?(
    spec: ContainerSpec & { readonly id: ContainerId },
    use: 'launch' | 'exec',
    options?: CallOptions,
  ): Promise<Partial<LaunchSecrets>>;
  /**
   * What the sources of its bind mounts are, once they are prepared, by destination: `DEVICE:INODE`, decimal. The launch
   * fails if another file or folder is at such a path by then.
   */
  pins?(context: PrepareContext): Promise<Readonly<Record<string, string>>>;
  /** Whether `isolate` has anything to do for this container, whose first process else need not wait. Default: it has. */
  isolates?(context: PrepareContext): boolean;
  isolate?(id: ContainerId, pid: number, options?: CallOptions): Promise<void>;
  /** What it has to tell of a container, once `isolate` is over or recovery has found it running. */
  status?(id: ContainerId): Promise<IsolatorStatus | undefined>;
  /** `pid` is the first process's, where it is known. */
  usage?(id: ContainerId, pid?: number): Promise<Omit<ContainerUsage, 'at'>>;
  /**
   * Puts other limits in place of a running container's: `resources` is whole. Throws before it has changed anything if
   * they are invalid; `REFUSED` if the kernel does not take them.
   */
  update?(id: ContainerId, resources: Resources, options?: CallOptions): Promise<void>;
  /** Stops, or lets go on, every process of a running container, and those that come. Resolves once the kernel says so; idempotent. */
  freeze?(id: ContainerId, frozen: boolean, options?: CallOptions): Promise<void>;
  /** Sends a signal to every process of a running container; true if this isolator can. */
  signalAll?(id: ContainerId, signal: number): Promise<boolean>;
  /**
   * Follows a running container, and resolves with the limit of this isolator for which it has to be ended, or undefined if it
   * has none to watch. Asked once the container runs, and again by the next host program. When `signal` fires the container has
   * ended, or is let go: let no timer be left; whatever this comes to then is ignored. One that rejects before ends
   * the container too: its limit is kept by nobody.
   */
  watch?(id: ContainerId, options: { readonly signal: AbortSignal }): Promise<Limitation | undefined>;
  /**
   * What the kernel tells of a running container's memory, from the call on. What a reader has not taken is put together, so that
   * it does not grow. Ends when the reader leaves, when `signal` fires (`ABORTED`), or when `ended` fires, as the container has
   * ended, after what there is to tell; no descriptor is left then. `REFUSED` for a trigger that cannot be had.
   */
  memoryEvents?(
    id: ContainerId,
    options: MemoryEventsOptions & { readonly ended: AbortSignal },
  ): AsyncIterableIterator<MemoryEvent>;
  /** Asked once, after the exit and before `cleanup`: did this isolator's limit cause it? */
  limitation?(id: ContainerId): Promise<Limitation | undefined>;
  cleanup?(id: ContainerId): Promise<void>;
  /** Ids for which this isolator holds something on the host, so that recovery can clean up what nobody knows. */
  list?(): AsyncIterable<ContainerId>;
  /** Called at the end of every recovery, when what nobody knows has been cleaned up: for what `list` cannot name. */
  recover?(options?: CallOptions): Promise<void>;
  /** Removes what it keeps for containers to come, unless some are left. Called once, when the containerizer closes. */
  close?(): Promise<void>;
}
