import type { DeviceRequest } from './devices.js';
import type { EgressPolicy } from './egress.js';
import type { Digest } from './image.js';
import type { LandlockRules } from './landlock.js';
import type { ContainerMount } from './mounts.js';
import type { DnsSettings, HostEntry, MappedPort, NetworkRequest, NetworkStatus, PortMapping } from './network.js';
import type { PortRange } from './ports.js';
import type { Resources } from './resources.js';
import type { SeccompSetting } from './seccomp.js';
import type { SecretReference } from './secrets.js';
import type { PullPolicy } from './store.js';
import type { LogSettings, TerminalSize } from './streams.js';
import type { UserNamespace } from './user-namespace.js';

/** Ids are 1 to 64 of `[A-Za-z0-9][A-Za-z0-9_.-]*`: they become file and control-group names. */
export type ContainerId = string;

/** What to run. Neutral: no scheduler's words in it. */
export interface ContainerSpec {
  /** Chosen by the caller, so that `launch` is idempotent. Default: a random UUID. */
  readonly id?: ContainerId;
  /** An image reference. Exactly one of `image`, `rootfs` and `sandbox` is given. */
  readonly image?: string;
  /** A folder of the host that becomes the root, mounted as it is. */
  readonly rootfs?: string;
  /** Run no program at all: the container holds namespaces and limits for those nested in it, and reaps their orphans. */
  readonly sandbox?: boolean;
  /**
   * The running container in which this one is nested, to any depth. It shares the namespaces of `share` and ends no
   * later than its parent: whatever ends that ends its nested containers first.
   */
  readonly parent?: ContainerId;
  /** The namespaces of the parent to be in, rather than new ones. Default `network`, `ipc` and `uts`. */
  readonly share?: readonly SharedNamespace[];
  /**
   * Be in the control groups of the parent rather than in new ones, under its limits: the container has no `resources` and
   * no `devices` then, its usage is the parent's, and it is paused and resumed with that. Default false.
   */
  readonly shareCgroups?: boolean;
  readonly pull?: PullPolicy;
  /** Replaces the image's entry point (and its Cmd). */
  readonly command?: readonly string[];
  /** Replaces the image's Cmd. */
  readonly args?: readonly string[];
  /** Wins over the image's. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Variables whose values are asked of the host program's `SecretResolver` at the launch, and again for each process that is
   * started in the container: they are in no record and no plan. Win over the image's; none may be in `env`, too.
   */
  readonly secretEnv?: Readonly<Record<string, SecretReference>>;
  /** Absolute. Default: the image's, else `/`. Created if absent. */
  readonly workingDir?: string;
  /** `user`, `uid`, `user:group` or `uid:gid`, names from the container's own passwd and group. Default: the image's, else root. */
  readonly user?: string;
  readonly hostname?: string;
  readonly mounts?: readonly ContainerMount[];
  /** Devices of the host, with the standard ones. */
  readonly devices?: readonly DeviceRequest[];
  readonly readonlyRootfs?: boolean;
  /** Of /dev/shm, bytes. Default 64 MiB. */
  readonly shmSize?: number;
  /** Absolute paths that are hidden, in place of Gantry's own list; none with an empty array. */
  readonly maskedPaths?: readonly string[];
  /** Absolute paths that cannot be written to, in place of Gantry's own list; none with an empty array. */
  readonly readonlyPaths?: readonly string[];
  readonly resources?: Resources;
  /**
   * `none` (default): a network namespace with nothing but loopback. `host`: the host's. `user`: a namespace of its own that a program
   * beside the container, pasta or slirp4netns, connects to the host's network by ordinary sockets; it needs no root, maps `ports`, and takes
   * CAP_NET_RAW from the container.
   */
  readonly network?: 'none' | 'host' | 'user';
  /** Networks to join, in this order; not with `network`. It takes a host program that is root. */
  readonly networks?: readonly NetworkRequest[];
  /** Ports of the host that lead to the container, by the first of its networks that can map ports, or by `network: 'user'`. */
  readonly ports?: readonly PortMapping[];
  /** Each part in place of what the networks say, or else the host. Not on the host's network. */
  readonly dns?: DnsSettings;
  /** Added to the container's /etc/hosts. Not on the host's network. */
  readonly extraHosts?: readonly HostEntry[];
  /** Where it may connect to; not on the host's network. Default: anywhere. It takes CAP_NET_RAW from the container. */
  readonly egress?: EgressPolicy;
  /** On the host's network: the only TCP and UDP ports on which its processes may listen. An empty list is none. Default: all. */
  readonly listenPorts?: readonly PortRange[];
  /** `private` (default) or the host's process ids. */
  readonly pid?: 'private' | 'host';
  /** Default: `host` for a host program that is root, `private` for an ordinary user's. A nested container is in its parent's. */
  readonly userNamespace?: UserNamespace;
  /** Seconds by which the clocks of the container's own time namespace differ from the host's. Default: the host's clocks. */
  readonly timeOffsets?: TimeOffsets;
  readonly capabilities?: CapabilityChange;
  /** Default `default`. */
  readonly seccomp?: SeccompSetting;
  /** Not of a sandbox. A nested container has what its own spec says. Default: no restriction. */
  readonly landlock?: LandlockRules;
  readonly rlimits?: readonly Rlimit[];
  /** Kernel parameters of the container's own namespaces. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** -1000 to 1000. Default: the host program's. A value below it needs CAP_SYS_RESOURCE. */
  readonly oomScoreAdj?: number;
  /** For the host program; Gantry keeps them and gives them back. */
  readonly labels?: Readonly<Record<string, string>>;
  /** A name or a number. Default: the image's, else SIGTERM. */
  readonly stopSignal?: string;
  /** Give the first process a terminal (24 by 80, unless a size is given) in place of pipes. What it writes is all `stdout`. */
  readonly tty?: boolean | TerminalSize;
  /** Keep the standard input open for those who attach. Default: it is empty; a terminal's is always open. */
  readonly stdin?: boolean;
  /** Run the program below an init, process 1, that reaps orphans and passes signals on. Default false. */
  readonly init?: boolean;
  /** How what it writes is kept. */
  readonly log?: LogSettings;
}

/** Whole seconds, also negative ones, that are added to clocks; those of a container's processes. time_namespaces(7). */
export interface TimeOffsets {
  /** CLOCK_MONOTONIC, and the like. */
  readonly monotonic?: number;
  /** CLOCK_BOOTTIME, and the time since the start that /proc/uptime shows. */
  readonly boottime?: number;
}

/** Namespaces that a nested container can have in common with its parent. */
export type SharedNamespace = 'network' | 'ipc' | 'uts' | 'pid';

/** A process to start in a running container. What is left out is as the container's first process has it. */
export interface ExecSpec {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Added to the container's environment; wins over it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute; must exist. */
  readonly workingDir?: string;
  /** As in {@link ContainerSpec}. */
  readonly user?: string;
  /** As in {@link ContainerSpec}; the terminal's output comes as `stdout`, and `stderr` is empty. */
  readonly tty?: boolean | TerminalSize;
}

export interface CapabilityChange {
  /** Names as in capabilities(7), with or without `CAP_`. Added to the default set. */
  readonly add?: readonly string[];
  /** `ALL` drops the whole default set. */
  readonly drop?: readonly string[];
}

export interface Rlimit {
  /** `NOFILE`, with or without `RLIMIT_`. */
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

/**
 * The life of a container:
 * STARTING → PROVISIONING → PREPARING → ISOLATING → RUNNING → DESTROYING → DESTROYED; any state may go to DESTROYING,
 * and a RUNNING one to PAUSED and back.
 */
export type ContainerState =
  | 'STARTING'
  | 'PROVISIONING'
  | 'PREPARING'
  | 'ISOLATING'
  | 'RUNNING'
  | 'PAUSED'
  | 'DESTROYING'
  | 'DESTROYED';

export interface ContainerStatus {
  readonly id: ContainerId;
  readonly state: ContainerState;
  readonly labels: Readonly<Record<string, string>>;
  readonly image?: { readonly reference: string; readonly digest: Digest };
  readonly parent?: ContainerId;
  /** Of the container's first process, in the host's pid namespace; while it runs. */
  readonly pid?: number;
  readonly shimPid?: number;
  /** In the order of the spec, once they are joined. A nested container in its parent's network has none of its own. */
  readonly networks?: readonly NetworkStatus[];
  readonly ports?: readonly MappedPort[];
  /** Those that it has for itself, by UUID where that is known; until it has ended. */
  readonly gpus?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** When its first process was set up, to run its program at once; milliseconds since the epoch. */
  readonly startedAt?: number;
  readonly stopSignal: string;
  /** How long each step of the launch took, milliseconds; in order. Of a container that was recovered, none. */
  readonly timings: Readonly<Record<string, number>>;
  /** Once DESTROYED. */
  readonly termination?: ContainerTermination;
  /** Clean-up steps that failed and are to be retried by `destroy` or recovery. */
  readonly failedSteps: readonly CleanupStep[];
}

export interface CleanupStep {
  /** `isolator cgroups/mem`, `provisioner`, `state`. */
  readonly name: string;
  readonly errno?: string;
  readonly message: string;
}

/** How the first process ended. `unknown`: nobody saw it (the shim was lost, or the machine restarted). */
export type ExitStatus =
  | { readonly type: 'exited'; readonly code: number; readonly at: number }
  | { readonly type: 'signaled'; readonly signal: string; readonly at: number }
  | { readonly type: 'unknown'; readonly reason: string; readonly at: number };

/** Why an isolator ended, or saw the end of, a container. */
export interface Limitation {
  readonly isolator: string;
  readonly resource: 'memory' | 'pids' | 'cpu' | 'disk' | 'ports' | 'network';
  readonly message: string;
  /** The control group that ran out, below each controller's mount; it may be one above the container's. */
  readonly cgroup?: string;
  /** What the kernel counted of it, under the names of its files and fields: `memory.events.oom_kill`; bytes and counts. */
  readonly statistics?: Readonly<Record<string, number>>;
}

export interface ContainerTermination {
  readonly id: ContainerId;
  /** Absent if the container never ran. */
  readonly exit?: ExitStatus;
  /** Why a launch did not come to RUNNING, or why a container was ended when neither it nor the caller had asked for that. */
  readonly failure?: { readonly code: string; readonly message: string };
  readonly limitation?: Limitation;
  /** True if the end was asked for by `stop` or `destroy` of this container. */
  readonly destroyed: boolean;
  /** Milliseconds since the epoch. */
  readonly at: number;
}
