/**
 * What a container is denied by Landlock, landlock(7), beside all else that holds for it: everything of a kind that is given
 * here but what is allowed by it. What is left out is not restricted.
 */
export interface LandlockRules {
  /** Of files. Takes version 3 of Landlock, Linux 6.2. */
  readonly paths?: readonly LandlockPath[];
  /** Of TCP, IPv4 and IPv6. Takes version 4, Linux 6.7. */
  readonly tcp?: {
    /** The ports to which it may bind sockets, 0 to 65535; 0 stands for one that the kernel chooses. */
    readonly bind?: readonly number[];
    /** The ports to which it may connect, of any host, 1 to 65535. */
    readonly connect?: readonly number[];
  };
  /**
   * What it has in common only with the processes that its first process has made, directly or not: abstract Unix sockets that it
   * connects to, signals that it sends. Takes version 6, Linux 6.12.
   */
  readonly scopes?: readonly LandlockScope[];
}

/** A file or a folder, which stands for all that is below it, mounted or not, too. */
export interface LandlockPath {
  /** Absolute, as the container has it when it starts. It must be there: `LAUNCH_FAILED`. */
  readonly path: string;
  /** The rights of several paths that hold for a file are added up. */
  readonly allow: readonly LandlockRight[];
}

/** To run a program takes `read` and `execute`. `write` is to write, truncate, make, remove, rename and link. `ioctl` on devices that could be opened is none of them. */
export type LandlockRight = 'read' | 'write' | 'execute';

export type LandlockScope = 'abstract-sockets' | 'signals';
