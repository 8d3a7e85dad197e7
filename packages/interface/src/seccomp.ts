/**
 * Which system calls a container may make. `default`: a profile of Gantry's, which grows with the capabilities of the container;
 * `unconfined`: no filter; a profile; or the path of a file of the host that holds one, as JSON, read at the launch.
 */
export type SeccompSetting = 'default' | 'unconfined' | SeccompFile | SeccompProfile;

export interface SeccompFile {
  /** Absolute. A regular file of at most 1 MiB. */
  readonly path: string;
}

/**
 * A seccomp profile in the form of the OCI runtime specification (`linux.seccomp` of config.json) or of Docker and containers-common,
 * which adds `archMap`, names of errnos, comments and conditions on where a rule applies. Names that are
 * not known as system calls are told among the remarks of the plan, and do nothing.
 */
export interface SeccompProfile {
  /** `SCMP_ACT_*`: what becomes of a call that no rule is about. */
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** In place of a number: `ENOSYS`. */
  readonly defaultErrno?: string;
  /** `SCMP_ARCH_*`. Default: the machine's own, which is always among them. */
  readonly architectures?: readonly string[];
  /** In place of `architectures`: those that go with each machine's own. */
  readonly archMap?:
    | readonly {
        readonly architecture: string;
        readonly subArchitectures?: readonly string[] | null;
      }[]
    | null;
  /** `SECCOMP_FILTER_FLAG_*`: TSYNC, LOG, SPEC_ALLOW; WAIT_KILLABLE_RECV with `SCMP_ACT_NOTIFY`. */
  readonly flags?: readonly string[];
  /**
   * Absolute: the Unix socket (SOCK_STREAM) of the agent that answers the calls of `SCMP_ACT_NOTIFY`, which needs one. For each process that is
   * started in the container it is sent, over a connection of its own, the container process state of the specification and the
   * listener of the process's filter, see seccomp_unotify(2).
   */
  readonly listenerPath?: string;
  /** What the agent is told besides; only with `listenerPath`. */
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompRule[] | null;
}

export interface SeccompRule {
  readonly names?: readonly string[];
  /** In place of `names`. */
  readonly name?: string;
  readonly action: string;
  readonly errnoRet?: number;
  /** In place of a number: `EPERM`. */
  readonly errno?: string;
  /** All must hold; if two are about one argument, each is an alternative, as in runc and crun. */
  readonly args?: readonly SeccompArgument[] | null;
  readonly comment?: string;
  /** Where the rule applies: if all of it holds. */
  readonly includes?: SeccompCondition;
  /** Where it does not: if any of it holds. */
  readonly excludes?: SeccompCondition;
}

export interface SeccompArgument {
  /** 0 to 5. */
  readonly index: number;
  /** Of 64 bits; JSON keeps up to 2^53 and 2^64 - 1. The mask, of `SCMP_CMP_MASKED_EQ`. */
  readonly value: number;
  /** Of `SCMP_CMP_MASKED_EQ`: what the masked argument is to be. */
  readonly valueTwo?: number;
  /** `SCMP_CMP_*`: NE, LT, LE, EQ, GE, GT, MASKED_EQ. */
  readonly op: string;
}

export interface SeccompCondition {
  /** `CAP_*` of the container's bounding set. */
  readonly caps?: readonly string[];
  /** As Go calls them: `amd64`, `arm64`. */
  readonly arches?: readonly string[];
  /** `4.8`: this version of Linux or a later one. */
  readonly minKernel?: string;
}
