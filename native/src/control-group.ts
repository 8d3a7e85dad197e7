/**
 * A call of a list: `make` a folder; `rename` one within the folder that it is in; `write` values to a file, each by a write of its own; `set` a file to a value and
 * read it back, or `try` to, for a file that may not be there; `read` a file.
 */
export type GroupCall =
  | readonly [kind: 'make', folder: string]
  | readonly [kind: 'rename', folder: string, to: string]
  | readonly [kind: 'write', path: string, ...values: string[]]
  | readonly [kind: 'set' | 'try', path: string, value: string]
  | readonly [kind: 'read', path: string];

/**
 * The addon's calls for control groups. They are synchronous: the files live in memory, and a write to a new group takes
 * microseconds. A system call that fails throws a Node.js system error.
 */
export interface ControlGroupAddon {
  /**
   * Carries out a list of calls, up to the first that fails: then it is undefined, and nothing is thrown. Else what was read, in order; null
   * for a file that is not there.
   */
  runGroupCalls(calls: readonly GroupCall[]): (string | null)[] | undefined;
  /** Writes each value by a call of its own to a file that is there. Those before one that fails have been written. */
  writeEach(path: string, values: readonly string[]): void;
  /** The text of a file whose size the kernel does not tell. */
  readWhole(path: string): string;
  /** Loads eBPF instructions as a program of type BPF_PROG_TYPE_CGROUP_DEVICE; the caller closes it with `closeFd`. */
  loadDeviceProgram(instructions: Uint8Array): number;
  /** Attaches a loaded program to a cgroup v2 folder, which keeps it; gives how many are attached to it then. */
  attachDeviceProgram(program: number, folder: string): number;
}
