/** The parts of the OCI runtime specification's `config.json` that Gantry fills. Spelling and units are the specification's (1.2). */
export interface OciSpec {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: OciMount[];
  annotations?: Record<string, string>;
  linux: OciLinux;
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
  devices?: OciDevice[];
  cgroupsPath?: string;
  resources?: OciResources;
  sysctl?: Record<string, string>;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  rootfsPropagation?: string;
}

export interface OciResources {
  cpu?: OciCpu;
  memory?: OciMemory;
  pids?: { limit: number };
  /** cgroup v2 files, verbatim. */
  unified?: Record<string, string>;
}

export interface OciCpu {
  shares?: number;
  /** Microseconds of CPU time a period. */
  quota?: number;
  /** Microseconds. */
  period?: number;
}

export interface OciMemory {
  /** Bytes. */
  limit?: number;
  /** Bytes; the soft limit. */
  reservation?: number;
  /** Bytes of memory and swap together. */
  swap?: number;
}
