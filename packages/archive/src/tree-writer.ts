import { GantryError } from '@gantry/interface';
import type { RootDirectory } from '@gantry/native';
import type { TarHeader, TarXattr } from './tar-entry.js';

/** Paths of folders are kept until the end: this bounds the memory of an archive of nothing but long ones. */
const maxFolderPathBytes = 256 * 2 ** 20;

/** Folders whose times are set by one call, which takes a few milliseconds: a thread that is to end cannot do so within it. */
const foldersAtOnce = 1000;

const overlayPrefixes = ['trusted.overlay.', 'user.overlay.'].map((prefix) => Buffer.from(prefix));
const nothing = Buffer.alloc(0);

/**
 * Makes the entries of an archive below an open root, whose calls resolve every path anew: nothing that earlier entries
 * made leads out of it. Throws what these calls throw.
 */
export class TreeWriter {
  /** Bytes of the regular files, holes included. */
  bytes = 0;
  /** Folders that had to be made on the way to entries. */
  made = 0;
  readonly #root: RootDirectory;
  /** Whether it works in a user namespace: nobody may make devices there, and no attributes of the whole machine's root. */
  readonly #isUsers: boolean;
  /** Seconds and nanoseconds, applied at the end, since later entries change them. Keys are paths, a character for a byte. */
  readonly #folderTimes = new Map<string, readonly [seconds: number, nanoseconds: number]>();
  #folderPathBytes = 0;
  /** The file that waits for its body. */
  #file: { readonly path: Buffer; readonly header: TarHeader } | undefined;
  #isFileOpen = false;

  constructor(root: RootDirectory, isUsers = false) {
    this.#root = root;
    this.#isUsers = isUsers;
  }

  /** Makes an entry, or, for a file, waits for its body. `linkTarget` is the path of what a hard link leads to. */
  begin(path: Buffer, entry: TarHeader, linkTarget: Buffer = nothing): void {
    const header = this.#isUsers ? withoutTrustedXattrs(withoutOverlayXattrs(entry)) : withoutOverlayXattrs(entry);
    switch (header.type) {
      case 'file':
        this.#file = { path, header };
        this.bytes += header.size;
        return;
      case 'directory':
        this.#makeFolder(path, header);
        return;
      case 'symlink':
        this.made += this.#root.symlink(path, header.linkName, header);
        return;
      case 'hardlink':
        this.made += this.#root.hardLink(path, linkTarget);
        return;
      case 'fifo':
        this.made += this.#root.fifo(path, header);
        return;
      case 'character':
      case 'block':
        if (this.#isUsers) this.made += this.#root.file(path, nothing, { ...header, mode: 0 });
        else this.made += this.#root.device(path, header.type, header.devMajor, header.devMinor, header);
    }
  }

  /** A piece of the file begun last; of an entry that is passed over or is no file, nothing. */
  data(piece: Buffer, offset: number): void {
    if (!this.#file) return;
    const { path, header } = this.#file;
    if (piece.length === header.size) {
      this.made += this.#root.file(path, piece, header);
      this.#file = undefined;
      return;
    }
    if (!this.#isFileOpen) this.#openFile(path);
    this.#root.writeFile(piece, offset);
  }

  /** The end of an entry. */
  end(): void {
    if (!this.#file) return;
    const { path, header } = this.#file;
    if (header.size === 0) {
      this.made += this.#root.file(path, nothing, header);
    } else {
      // A file of nothing but a hole has no data.
      if (!this.#isFileOpen) this.#openFile(path);
      this.#root.endFile(header.size, header);
      this.#isFileOpen = false;
    }
    this.#file = undefined;
  }

  /** Sets what must be set last: the times of folders. */
  finish(): void {
    const all = [...this.#folderTimes];
    for (let start = 0; start < all.length; start += foldersAtOnce) {
      const some = all.slice(start, start + foldersAtOnce);
      const paths = Buffer.from(some.map(([path]) => path).join('\0'), 'latin1');
      this.#root.folderTimes(paths, Float64Array.from(some.flatMap(([, time]) => time)));
    }
  }

  #openFile(path: Buffer): void {
    this.made += this.#root.beginFile(path);
    this.#isFileOpen = true;
  }

  #makeFolder(path: Buffer, header: TarHeader): void {
    this.made += this.#root.folder(path, header);
    this.#folderPathBytes += path.length;
    if (this.#folderPathBytes > maxFolderPathBytes) {
      throw new GantryError(
        'LIMIT_EXCEEDED',
        `archive: the paths of its folders have more than ${maxFolderPathBytes} bytes together; split it`,
        { details: { limit: maxFolderPathBytes } },
      );
    }
    this.#folderTimes.set(path.toString('latin1'), [header.mtimeSeconds, header.mtimeNanoseconds]);
  }
}

/** Overlayfs takes these for its own: an archive could forge whiteouts or redirects with them. */
export function withoutOverlayXattrs(header: TarHeader): TarHeader {
  if (header.xattrs.length === 0 || !header.xattrs.some(isOverlayXattr)) return header;
  return { ...header, xattrs: header.xattrs.filter((xattr) => !isOverlayXattr(xattr)) };
}

const trusted = Buffer.from('trusted.');

/** Those that only the machine's own root can set, or see. */
function withoutTrustedXattrs(header: TarHeader): TarHeader {
  const isTrusted = ({ name }: TarXattr) => trusted.equals(name.subarray(0, trusted.length));
  if (!header.xattrs.some(isTrusted)) return header;
  return { ...header, xattrs: header.xattrs.filter((xattr) => !isTrusted(xattr)) };
}

function isOverlayXattr({ name }: TarXattr): boolean {
  return overlayPrefixes.some((prefix) => prefix.equals(name.subarray(0, prefix.length)));
}
