import type { RunningProgram } from '@gantry/interface';

/** What `spawn` gives at once. */
export interface SpawnedProcess {
  /** The other end of the socket, which the caller owns. What is written before the process reads waits for it. */
  readonly socket: number;
  /** Settles when the program is loaded, or could not be: then the socket is at its end too. */
  readonly started: Promise<void>;
}

/** The addon's process and descriptor calls. A system call that fails throws, or rejects with, a Node.js system error. */
export interface ProcessAddon {
  /**
   * Copies a file (by its path) or bytes into a sealed memfd, which nobody can change any more, and resolves with its
   * descriptor. The caller closes it with `closeFd`.
   */
  sealedExecutable(source: string | Uint8Array): Promise<number>;
  /**
   * Starts the executable behind a descriptor as a daemon, nobody's child, with an empty environment, all signals blocked,
   * /dev/null as 0, 1 and 2 and one end of a stream socket as 3.
   */
  spawn(executable: number, argv: readonly string[]): SpawnedProcess;
  /**
   * Runs a program of the host's without arguments to its end, as `HostPrograms` of `@gantry/interface` says, in a thread of its own. Of the
   * environment each is `NAME=value`; of `mostOutput` bytes written to either stream one more has it killed.
   */
  runProgram(path: string, environment: readonly string[], input: string, mostOutput: number): RunningProgram;
  /** A descriptor that stands for the process and no later one of the same id; `ESRCH` if there is none. */
  pidfdOpen(pid: number): number;
  /** Sends a signal to the process behind a pidfd; 0 only asks whether it is there. `ESRCH` once it has been reaped. */
  pidfdSendSignal(pidfd: number, signal: number): void;
  /** Closes a descriptor that one of these calls gave. */
  closeFd(fd: number): void;
}
