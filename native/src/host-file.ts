/** The addon's calls about files of the host that several processes use at once. One that fails throws a Node.js system error. */
export interface HostFileAddon {
  /**
   * Locks the open file of a descriptor for its holder alone (flock(2)); false if another has it. The lock ends when the file is
   * closed, which the kernel sees to when the process ends.
   */
  tryLock(fd: number): boolean;
  /** Renames within a file system, and replaces nothing: EEXIST if `to` is there. EINVAL where the file system cannot do that. */
  renameNew(from: string, to: string): void;
}
