import type { Duplex, Readable, Writable } from 'node:stream';
import type { ContainerId, ExitStatus } from './container.js';
import type { GantryError } from './errors.js';
import type { LandlockRules } from './landlock.js';
import type { OciSpec } from './oci-runtime.js';
import type { CallOptions } from './options.js';
import type { DirectoryRootfs, OverlayRootfs } from './provisioner.js';
import type { LaunchSecrets, SecretFile } from './secrets.js';
import type { Attachment, AttachOptions, LogEntry, LogOptions, LogSettings, TerminalSize } from './streams.js';

/** A finished OCI document and what it cannot say. */
export interface LaunchRequest {
  readonly id: ContainerId;
  readonly config: OciSpec;
  /** Mounted at `config.root.path` inside the container's mount namespace. */
  readonly rootfs: OverlayRootfs | DirectoryRootfs;
  /** Control groups to join: a v2 folder at clone time, v1 folders by the first process itself. */
  readonly cgroups: readonly string[];
  readonly cgroupVersion: 'v1' | 'v2';
  /** Where the v2 tree is mounted, to tell its folders from those of v1 hierarchies beside it. */
  readonly cgroupTree?: string;
  /** `RLIMIT_*` types in `config.process.rlimits` that are lowered to what the host allows rather than refused. */
  readonly clampedRlimits: readonly string[];
  /** Absolute folder, private to the container, for the shim's socket, exit record and log. Must exist. */
  readonly stateDir: string;
  /** Keep the standard input open; a terminal's (`config.process.terminal`) always is. Default false. */
  readonly stdin?: boolean;
  /**
   * Who gives a container with a user namespace its ids, and does what needs the host's privileges. `root`: the shim, which must be root.
   * For an ordinary user's container `helpers`: newuidmap and newgidmap; `self`: the shim, the user's own ids alone.
   */
  readonly idMapper?: IdMapper;
  readonly log?: LogSettings;
  /** Of every process of the container; takes `config.process.noNewPrivileges`. */
  readonly landlock?: LandlockRules;
  /** Names of variables whose values come with the launch. */
  readonly secretEnv?: readonly string[];
  /** Files whose contents come with the launch. */
  readonly secretFiles?: readonly SecretFile[];
  /** What runs as the first process: the program itself (default), an init with the program below it, or nothing but an init. */
  readonly first?: 'program' | 'init' | 'sandbox';
  /** The process whose namespaces `config.linux.namespaces` names by paths below its `/proc/<pid>/ns`. */
  readonly parent?: ProcessIdentity;
}

export interface LaunchOptions extends CallOptions {
  /**
   * Do not block the first process: it goes on to its exec by itself, also if the host program ends. `release` of the
   * container still waits for the exec. For hosts with nothing to do in between. Default false.
   */
  readonly release?: boolean;
  /**
   * Makes the control groups, and whatever else there is to be made that no step but the joining of those needs. Called once: when the
   * shim is at work on the steps before that, or, where they are the first, before it is given any. What it rejects with is what
   * the launch fails with. Resolves with whether the groups that `PendingLaunch.groups` told have become the container's, all of
   * them: its first process then has none to join.
   */
  readonly meanwhile?: () => Promise<boolean>;
  /**
   * Makes control groups for the launch after this one, so that a first process that is kept ready for it is in them already. Called once
   * this launch is over, if at all; where it resolves with undefined or rejects, that one is in none.
   */
  readonly spareGroups?: () => Promise<SpareGroups | undefined>;
  /** Must have all that the request names. */
  readonly secrets?: LaunchSecrets;
  /** What the source of a bind mount must be, by its destination in `config.mounts`: `DEVICE:INODE`, decimal. */
  readonly pins?: Readonly<Record<string, string>>;
}

/** Control groups made ahead for a container to come. Disposing removes what no container has taken over; nothing may be left in them but that. */
export interface SpareGroups extends AsyncDisposable {
  /** As a container's `cgroupPath`. */
  readonly path: string;
  /** As `LaunchRequest.cgroups`. */
  readonly folders: readonly string[];
}

/** One primitive step of a launch, as readable data: `op` and its operands. */
export interface LaunchStep {
  readonly op: string;
  readonly [operand: string]: unknown;
}

/** The flat list that the shim carries out, in order. */
export interface LaunchPlan {
  readonly version: number;
  readonly steps: readonly LaunchStep[];
  /** What in the document does nothing, in words: names in a seccomp profile that are not known as system calls, say. */
  readonly remarks: readonly string[];
}

/** Turns finished documents into processes, each guarded by a shim that outlives the host program. */
export interface Launcher {
  /** Pure: shows what `launch` would have done, with `<secret>` for every secret. `UNSUPPORTED` for what the launcher cannot carry out. */
  compile(request: LaunchRequest): LaunchPlan;
  /**
   * Starts a shim that waits for its plan, so that this passes while the request is still being made. Never throws:
   * that the shim could not be started is told by `launch`.
   */
  begin(id: ContainerId): PendingLaunch;
  /** `begin` and `PendingLaunch.launch` in one. */
  launch(request: LaunchRequest, options?: CallOptions): Promise<LaunchedContainer>;
  /** Finds the shim of an earlier host program by its state folder. Undefined if none is alive. See `LaunchedContainer.refusal`. */
  connect(id: ContainerId, stateDir: string, options?: CallOptions): Promise<LaunchedContainer | undefined>;
  /** The exit record a shim left in a state folder, if there is one. */
  readExit(stateDir: string): Promise<ExitStatus | undefined>;
  /** Reads the log in a state folder, whether or not the shim lives. */
  readLog(stateDir: string, options?: LogOptions): AsyncIterable<LogEntry>;
  /** Ends, with SIGKILL, a first process whose shim is gone; true if it was there. A pid that is now another process's is never touched. */
  killOrphan(process: ProcessIdentity): Promise<boolean>;
  /** Ends what is kept ready for launches to come; containers go on. A later launch works as any other. */
  close?(): Promise<void>;
}

/**
 * A shim without a container. Disposing it, or the end of the host program, ends it and what it has made, unless
 * `launch` was called.
 */
export interface PendingLaunch extends AsyncDisposable {
  /**
   * Says what `launch` will be asked for, the same object, so that the process and its namespaces are made while the
   * host still makes what the steps need, if the launches before have not shown how. Optional; once. Resolves without
   * waiting for any of that. Rejects with what `compile` throws; everything else is told by `launch`. What is mounted on
   * the host until `launch` is called is there for the container.
   * On cgroup v2 nothing happens yet: a process is made inside its group, which need not exist before `launch`.
   */
  announce(request: LaunchRequest): Promise<void>;
  /**
   * The control groups that its first process is in, if it was there before and is of the kind that was announced: for the container to take
   * over. What it does not is removed at the disposal.
   */
  groups(): Promise<SpareGroups | undefined>;
  /**
   * Has the shim make the first process, set up in full and blocked just before its exec; once. `LAUNCH_FAILED` leaves
   * nothing behind. `request.id` must be the id it was begun with.
   */
  launch(request: LaunchRequest, options?: LaunchOptions): Promise<LaunchedContainer>;
}

/** A process that cannot be confused with a later one of the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of `/proc/<pid>/stat`: clock ticks since the boot. */
  readonly startTime: number;
  /** `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
}

/**
 * A process that was started in a running container. Its streams are pipes of its own: nothing of them is in the log, and
 * one that is not read holds the process up when it is full. It ends with the host program, the container, or when it is
 * disposed, which resolves once it has ended.
 */
export interface EnteredProcess extends AsyncDisposable {
  /** Ending it is the end of the process's input. Fails with `EPIPE` if the process does not read. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves once, when the process has ended; its streams may still hold what it wrote. Never rejects. */
  readonly exit: Promise<ExitStatus>;
  /** Sends a signal; does nothing once the process has ended. */
  signal(signal: number, options?: CallOptions): Promise<void>;
  /** Sets the size of its terminal. `WRONG_STATE` if it has none; does nothing once it has ended. */
  resize(size: TerminalSize, options?: CallOptions): Promise<void>;
}

/** A live connection to the shim of one container. Disposing it leaves a container that was released running, and ends one that was not. */
export interface LaunchedContainer extends AsyncDisposable {
  readonly id: ContainerId;
  readonly process: ProcessIdentity;
  readonly shimPid: number;
  /** Whether the first process has been let go to its exec. */
  readonly released: boolean;
  /**
   * Why it can only be signalled and waited for: its shim is of another release, and `enter`, `attach` and `connect` reject with this.
   */
  readonly refusal?: GantryError;
  /** Lets the blocked first process go; resolves once its exec succeeded. `LAUNCH_FAILED` if it did not; `WRONG_STATE` on a connection that did not launch it. */
  release(options?: CallOptions): Promise<void>;
  /**
   * Starts `config.process` beside the first process: in its namespaces, control groups and root. `request` is as it was
   * for the launch, but for the process. Resolves once the exec succeeded; `LAUNCH_FAILED` if it did not, or the container
   * does not run; `WRONG_STATE` if it has ended. `secrets` must have the variables that `request.secretEnv` names.
   */
  enter(request: LaunchRequest, options?: CallOptions & { readonly secrets?: LaunchSecrets }): Promise<EnteredProcess>;
  /** A client of the container's streams. `WRONG_STATE` if it has ended. */
  attach(options?: AttachOptions): Promise<Attachment>;
  /**
   * A TCP connection made from inside the container's network namespace, to `port` of its own loopback; `request` as for
   * `enter`. Ends with the host program and the container. `UNREACHABLE` if nobody listens there; `WRONG_STATE` if the container has ended.
   */
  connect(request: LaunchRequest, port: number, options?: CallOptions): Promise<Duplex>;
  /** Sends a signal to the first process; does nothing once it has ended. */
  signal(signal: number, options?: CallOptions): Promise<void>;
  /** Resolves once, when the first process has ended and the exit record is on disk; `unknown` if the shim is lost. Never rejects. */
  readonly exit: Promise<ExitStatus>;
  /**
   * Resolves when the shim has gone, or the connection to it: after an exit that it told, all that was mounted in the container is unmounted by
   * then. That takes the kernel some tenths of a millisecond, which `exit` does not wait for. Never rejects.
   */
  readonly gone: Promise<void>;
}

/** Processes of the host that are known by more than a number, which the kernel gives again. */
export interface HostProcesses {
  /** Undefined if there is none, or it has ended. */
  identify(pid: number): ProcessIdentity | undefined;
  /** Sends SIGKILL if it is still that one and alive; whether it was. */
  kill(process: ProcessIdentity): Promise<boolean>;
}

export type IdMapper = 'root' | 'helpers' | 'self';
