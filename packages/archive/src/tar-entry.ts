/** The kinds of entry that the reader gives; every other type flag is refused. */
export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** An extended attribute, as raw bytes: `security.capability` and its value. */
export interface TarXattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** One entry's header, with PAX and GNU extensions applied. POSIX.1-2017, pax, "ustar Interchange Format". */
export interface TarHeader {
  /** The bytes in the archive: never empty, no NUL, but else unchecked (`/`, `..`, a trailing slash). */
  readonly name: Buffer;
  readonly type: TarEntryType;
  /** Of a link: the bytes in the archive, never empty, no NUL. Empty for other types. */
  readonly linkName: Buffer;
  /** Bytes of the file, with its holes if it is sparse. 0 for other types. */
  readonly size: number;
  /** The 12 permission bits. */
  readonly mode: number;
  /** 0 to 2^32 - 2. */
  readonly uid: number;
  /** 0 to 2^32 - 2. */
  readonly gid: number;
  /** Since the epoch; may be negative. */
  readonly mtimeSeconds: number;
  /** 0 to 999 999 999. */
  readonly mtimeNanoseconds: number;
  /** Of a device. 0 for other types. */
  readonly devMajor: number;
  /** Of a device. 0 for other types. */
  readonly devMinor: number;
  /** In the archive's order; the last of one name is to win. */
  readonly xattrs: readonly TarXattr[];
}

/** An entry and its body. */
export interface TarEntry extends TarHeader {
  /** The file's bytes, holes filled with zeros. Can be read once, and only until the next entry is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}
