import type { EntryMetadata } from './filesystem.js';

/** What a tree has under one path. Times, owner, mode and attributes are the entry's own, never those of what a link names. */
export interface TreeEntry extends EntryMetadata {
  readonly type: 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';
  /** Bytes of a regular file; 0 for other types. */
  readonly size: number;
  /** Of a device. */
  readonly devMajor: number;
  readonly devMinor: number;
  /** How many names the entry has on its file system. */
  readonly links: number;
  /** Equal for the names of one entry, and for no two entries. */
  readonly identity: string;
  /** Of a symbolic link. */
  readonly target?: Uint8Array;
}

/**
 * An open folder whose tree is read. A path is bytes, `a/b/c`, or empty for the folder itself; a symbolic link on the way is ELOOP, so
 * a tree that changes meanwhile leads nowhere else. Calls block, and throw Node.js system errors; EBADF once closed.
 */
export interface TreeReader {
  /** The names in a folder, in no particular order. */
  list(path: Uint8Array): Uint8Array[];
  /** Looks at an entry; a regular file stays open for `read` and `nextData` until the next call of this. */
  open(path: Uint8Array): TreeEntry;
  /** Reads of the file opened last, from an offset in bytes. Returns how many bytes came; 0 at the end. */
  read(buffer: Uint8Array, offset: number): number;
  /** The first stretch at or behind an offset that is no hole; undefined where only a hole follows. */
  nextData(offset: number): { readonly offset: number; readonly length: number } | undefined;
  /** Idempotent. Garbage collection closes, too. */
  close(): void;
}

/** The addon's call for reading trees. */
export interface TreeAddon {
  /**
   * Opens a folder by its path on the host; the last component may not be a symbolic link. With `inside`, a path like `a/b` or `.`,
   * the folder of that path as if the first were `/`, links included.
   */
  readonly TreeReader: new (
    path: string,
    inside?: Uint8Array,
  ) => TreeReader;
}
