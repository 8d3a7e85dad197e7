/** What trees take of their disk. */
export interface TreeUsage {
  /** Blocks that are allotted, so that a hole counts for nothing. */
  readonly bytes: number;
  /** Files, folders and links; one with several names once. */
  readonly entries: number;
}

/** The addon's calls about what trees take of a disk, and may take. Paths are of folders and their last part no link. */
export interface DiskAddon {
  /**
   * Measures trees of one file system, together, in another thread: never through a link or into a mount. Rejects with
   * ENAMETOOLONG for folders more than 2048 deep.
   */
  treeUsage(roots: readonly string[]): Promise<TreeUsage>;
  /** Puts a folder, and what comes to be made in it, into a project. ENOTTY or EOPNOTSUPP where the file system has none. */
  setProject(path: string, project: number): void;
  projectOf(path: string): { readonly id: number; readonly inherited: boolean };
  /**
   * Whether the folder's file system counts what projects use, and holds them to their limits. ENOSYS or EOPNOTSUPP, or ESRCH,
   * where it cannot; ENOSYS before Linux 5.14.
   */
  projectQuotaState(path: string): { readonly counted: boolean; readonly enforced: boolean };
  /** What a project of the folder's file system uses and may use, in bytes; a limit of 0 is none. */
  projectQuota(
    path: string,
    project: number,
  ): { readonly used: number; readonly files: number; readonly limit: number };
  /** Limits a project to bytes, rounded down to 512; 0 for no limit. */
  setProjectQuota(path: string, project: number, bytes: number): void;
}
