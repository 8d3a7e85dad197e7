import type { BlobReader } from './blob.js';

/** Owner, mode (the 12 permission bits), modification time and extended attributes of an entry. */
export interface EntryMetadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Since the epoch; may be negative. */
  readonly mtimeSeconds: number;
  /** 0 to 999 999 999. */
  readonly mtimeNanoseconds: number;
  readonly xattrs: readonly EntryXattr[];
}

/** An extended attribute: its full name (`security.capability`) and its value, both as bytes. */
export interface EntryXattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * An open folder below which entries are made. A path is bytes, `a/b/c` (no empty, `.` or `..` component); the folders
 * on the way are resolved as if this one were `/`, and the last component is never followed. What stands in the
 * way of an entry is removed first, but a folder over a folder merges. Missing folders on the way are made, 0755 and
 * root's; each call returns how many. Calls block, and throw Node.js system errors; EBADF once closed.
 */
export interface RootDirectory {
  /** Makes a folder, or sets the metadata of the one there; an empty path is the root itself. */
  folder(path: Uint8Array, metadata: EntryMetadata): number;
  /** Makes a regular file whose whole body is at hand. */
  file(path: Uint8Array, body: Uint8Array, metadata: EntryMetadata): number;
  /** Makes an empty regular file and keeps it open for `writeFile`; one at a time. */
  beginFile(path: Uint8Array): number;
  /** Writes at an offset, in bytes, of the file begun last. */
  writeFile(bytes: Uint8Array, offset: number): void;
  /** Gives the file begun last its size, in bytes, and its metadata, and closes it. */
  endFile(size: number, metadata: EntryMetadata): void;
  symlink(path: Uint8Array, target: Uint8Array, metadata: EntryMetadata): number;
  /** `target` is a path like the others; ENOENT where it is missing or a whiteout, EISDIR for a folder. */
  hardLink(path: Uint8Array, target: Uint8Array): number;
  /** EINVAL for the character device 0:0, which would be a whiteout. */
  device(path: Uint8Array, type: 'character' | 'block', major: number, minor: number, metadata: EntryMetadata): number;
  fifo(path: Uint8Array, metadata: EntryMetadata): number;
  /** Hides a name of the layers below, as overlayfs does: a character device 0:0. An entry that is there stays. */
  whiteout(path: Uint8Array): number;
  /** Marks a folder opaque, as overlayfs does; makes it if missing. An empty path is the root. */
  opaque(path: Uint8Array): number;
  /**
   * Sets the modification times of folders, in their order; does nothing where there is none. `paths` has a NUL between two, `times` the
   * seconds and nanoseconds of each.
   */
  folderTimes(paths: Uint8Array, times: Float64Array): void;
  /**
   * From now on, body and metadata of a `file` whose body is in the piece of this reader in use, and which has no attributes, may be
   * written by the reader's thread or within its `next`, which throws what goes wrong.
   */
  writeBehind(reader: BlobReader): void;
  /** Removes an entry and all below it, however deep. ENOENT if there is none. */
  remove(path: Uint8Array): void;
  /** Idempotent. Garbage collection closes, too. */
  close(): void;
}

/** The addon's in-root file system calls. */
export interface FilesystemAddon {
  /**
   * Opens a folder by its path on the host; the last component may not be a symbolic link. `isShared`: others use the tree meanwhile,
   * so a folder with something in it and a mount point are not removed for an entry: ENOTEMPTY, EBUSY.
   */
  readonly RootDirectory: new (
    path: string,
    isShared?: boolean,
  ) => RootDirectory;
  /**
   * True if overlayfs's opaque attribute of the folder at a host path is `y`: `user.overlay.opaque` if `userxattr`, else
   * `trusted.overlay.opaque`, which needs root to be seen.
   */
  isOpaque(path: Uint8Array, userxattr?: boolean): boolean;
}
