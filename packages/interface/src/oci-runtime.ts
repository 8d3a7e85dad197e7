/** The parts of the OCI runtime specification's `config.json` that Gantry fills. Spelling and units are the specification's (1.2). */
export interface OciSpec {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: OciMount[];
  hooks?: OciHooks;
  annotations?: Record<string, string>;
  linux: OciLinux;
}

/**
 * Programs that are run on the way to the container's own, in order; one that fails ends the launch. Those that the specification has
 * besides, which are run in the namespaces of the host, are not among them.
 */
export interface OciHooks {
  /** The host's, run in the container's namespaces with the host's root, when all is mounted. */
  createContainer?: OciHook[];
  /** The container's, run in it as its own program will be, just before that. */
  startContainer?: OciHook[];
}

export interface OciHook {
  /** Absolute. */
  path: string;
  /** With `args[0]`. Default: the path alone. */
  args?: string[];
  /** `NAME=value`: all that it has. */
  env?: string[];
  /** Seconds, 1 to 86400. Default: as long as it takes. */
  timeout?: number;
}

export interface OciProcess {
  terminal?: boolean;
  /** Of the terminal, in character cells. */
  consoleSize?: { height: number; width: number };
  user: OciUser;
  /** `args[0]` is looked up in PATH of `env` if it has no slash. */
  args: string[];
  /** `NAME=value`. */
  env: string[];
  cwd: string;
  capabilities?: OciCapabilities;
  rlimits?: OciRlimit[];
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
}

export interface OciUser {
  uid: number;
  gid: number;
  umask?: number;
  additionalGids?: number[];
}

export interface OciCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

export interface OciRlimit {
  /** `RLIMIT_NOFILE`. */
  type: string;
  soft: number;
  hard: number;
}

export interface OciMount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
  /** Ids as they are in the source's file system, mapped to those that the container sees. With the option `idmap` or `ridmap`. */
  uidMappings?: OciIdMapping[];
  gidMappings?: OciIdMapping[];
}

/** A range of ids of a user namespace and where it begins outside. */
export interface OciIdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

export type OciNamespaceType = 'mount' | 'pid' | 'ipc' | 'uts' | 'network' | 'user' | 'cgroup' | 'time';

export interface OciNamespace {
  type: OciNamespaceType;
  /** Join this one rather than make a new one. */
  path?: string;
}

export interface OciDevice {
  type: 'c' | 'b' | 'p' | 'u';
  path: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export interface OciLinux {
  namespaces: OciNamespace[];
  /** Of the user namespace. */
  uidMappings?: OciIdMapping[];
  gidMappings?: OciIdMapping[];
  /** Of the time namespace. */
  timeOffsets?: { monotonic?: OciTimeOffset; boottime?: OciTimeOffset };
  devices?: OciDevice[];
  cgroupsPath?: string;
  resources?: OciResources;
  sysctl?: Record<string, string>;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  rootfsPropagation?: string;
  seccomp?: OciSeccomp;
}

export interface OciTimeOffset {
  secs: number;
  nanosecs: number;
}

/** Actions are `SCMP_ACT_*`, architectures `SCMP_ARCH_*`, operators `SCMP_CMP_*`. */
export interface OciSeccomp {
  defaultAction: string;
  /** An errno; only with `SCMP_ACT_ERRNO` and `SCMP_ACT_TRACE`. */
  defaultErrnoRet?: number;
  architectures?: string[];
  /** `SECCOMP_FILTER_FLAG_*`. */
  flags?: string[];
  /** The Unix socket of who answers the calls of `SCMP_ACT_NOTIFY`. */
  listenerPath?: string;
  /** For whoever that is; only with `listenerPath`. */
  listenerMetadata?: string;
  syscalls?: OciSeccompRule[];
}

export interface OciSeccompRule {
  names: string[];
  action: string;
  errnoRet?: number;
  /** All must hold. */
  args?: OciSeccompArgument[];
}

export interface OciSeccompArgument {
  index: number;
  value: number;
  /** Of `SCMP_CMP_MASKED_EQ`: what the masked argument, whose mask is `value`, is to be. */
  valueTwo?: number;
  op: string;
}

export interface OciResources {
  cpu?: OciCpu;
  memory?: OciMemory;
  pids?: { limit: number };
  /** Applied in order: the last one that matches decides. */
  devices?: OciDeviceRule[];
  blockIO?: OciBlockIo;
  hugepageLimits?: OciHugepageLimit[];
  network?: OciNetworkClass;
  /** cgroup v2 files, verbatim. */
  unified?: Record<string, string>;
}

export interface OciCpu {
  shares?: number;
  /** Microseconds of CPU time a period. */
  quota?: number;
  /** Microseconds of unused time that a later period may use beyond its quota. */
  burst?: number;
  /** Microseconds. */
  period?: number;
  /** CPUs it may run on: `0-3,7`. */
  cpus?: string;
  /** Memory nodes it may use. */
  mems?: string;
  /** 1: it runs only when nobody else wants to. */
  idle?: number;
}

export interface OciMemory {
  /** Bytes. */
  limit?: number;
  /** Bytes; the soft limit. */
  reservation?: number;
  /** Bytes of memory and swap together. */
  swap?: number;
}

/** A device, or with fields left out all of them, that may or may not be made (`m`), read (`r`) and written (`w`). */
export interface OciDeviceRule {
  allow: boolean;
  type?: 'a' | 'c' | 'b';
  major?: number;
  minor?: number;
  access?: string;
}

export interface OciBlockIo {
  /** 10 to 1000. */
  weight?: number;
  /** Bytes a second. */
  throttleReadBpsDevice?: OciThrottledDevice[];
  throttleWriteBpsDevice?: OciThrottledDevice[];
  /** Operations a second. */
  throttleReadIOPSDevice?: OciThrottledDevice[];
  throttleWriteIOPSDevice?: OciThrottledDevice[];
}

export interface OciThrottledDevice {
  major: number;
  minor: number;
  rate: number;
}

export interface OciHugepageLimit {
  /** `2MB`, `1GB`. */
  pageSize: string;
  /** Bytes. */
  limit: number;
}

/** cgroup v1's net_cls and net_prio. */
export interface OciNetworkClass {
  classID?: number;
  priorities?: { name: string; priority: number }[];
}
