/** A program of the host's to be run to its end. */
export interface HostProgram {
  /** Of the executable, which gets no arguments. */
  readonly path: string;
  /** All of it: nothing comes from the host program's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
  /** Bytes that it may write to each of its streams before it is killed. */
  readonly mostOutput: number;
}

/** What a program left; with neither `code` nor `signal` if it was killed and had still not ended 5 s later. */
export interface HostProgramEnd {
  readonly stdout: string;
  readonly stderr: string;
  readonly code?: number;
  /** The name of the one that ended it: `SIGSEGV`. */
  readonly signal?: string;
  /** Whether it was killed for what it wrote, which then is not all here. */
  readonly isOverLimit: boolean;
}

export interface RunningProgram {
  /**
   * Resolves when it has ended and nobody has its output any more, also for 5 s at most once it was killed. Rejects with a Node.js system error if
   * it could not be started.
   */
  readonly ended: Promise<HostProgramEnd>;
  /** Kills it and its process group, also for what is left of that. */
  kill(): void;
}

/** Runs programs of the host's, in the folder `/`, each in a session of its own. */
export interface HostPrograms {
  run(program: HostProgram): RunningProgram;
}
