import { errnoOf, GantryError, isGantryError, toGantryError } from '@gantry/interface';
import { addon, type RootDirectory } from '@gantry/native';
import { overBudget, type UnpackBudget } from './budget.js';
import { type EntryPath, parseEntryPath } from './entry-path.js';
import { invalidArchive, missingRoot, showName } from './errors.js';
import type { TarHeader, TarXattr } from './tar-entry.js';
import type { TarSink } from './tar-parser.js';
import { hasWhiteoutPrefix, parseWhiteout } from './whiteout.js';

/** The largest device numbers that Linux has: 12 and 20 bits. */
const maxMajor = 0xfff;
const maxMinor = 0xfffff;

/** Paths of folders are kept until the end: this bounds the memory of an archive of nothing but long ones. */
const maxFolderPathBytes = 256 * 2 ** 20;

const overlayPrefixes = ['trusted.overlay.', 'user.overlay.'].map((prefix) => Buffer.from(prefix));
const nothing = Buffer.alloc(0);

/** Errors of system calls that the archive, not the machine, is to blame for. */
const archiveErrnos: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'what it links to, or a folder on its path, is not in the layer'],
  ['ENOTDIR', 'a folder on its path is not a folder'],
  ['EISDIR', 'a hard link to a folder'],
  ['ELOOP', 'too many symbolic links on its path'],
  ['ENAMETOOLONG', 'a name is too long'],
  ['EINVAL', 'the kernel takes it for malformed'],
]);

/** The root folder's metadata where the archive does not state any. */
const plainRoot = { mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [] };

/**
 * Writes the entries of a layer archive below a folder, in overlayfs form. Every path is resolved anew in the
 * folder as root, so nothing that earlier entries made leads out of it.
 */
export class LayerApplier implements TarSink {
  /** Entries applied. */
  entries = 0;
  /** Bytes of the regular files, holes included. */
  bytes = 0;
  readonly #root: RootDirectory;
  readonly #budget: UnpackBudget;
  /** Entries, and folders that had to be made on the way to them. */
  #made = 0;
  /** Applied at the end, since later entries change them. Keys are paths, a character for a byte. */
  readonly #folderTimes = new Map<string, { readonly seconds: number; readonly nanoseconds: number }>();
  #folderPathBytes = 0;
  #rootHeader: TarHeader | undefined;
  #current: TarHeader | undefined;
  /** The file that waits for its body; empty for an entry whose body is passed over. */
  #filePath: Buffer = nothing;
  #isFileOpen = false;

  /** Opens the folder. */
  constructor(target: string, budget: UnpackBudget) {
    this.#root = new (addon().RootDirectory)(target);
    this.#budget = budget;
  }

  entry(header: TarHeader): void {
    this.#current = header;
    this.#filePath = nothing;
    this.entries++;
    const parsed = parseEntryPath(header.name);
    if (parsed.whiteoutFolder >= 0) this.#checkMetadataFolder(parsed);
    else if (hasWhiteoutPrefix(parsed.path, parsed.nameStart)) this.#applyWhiteout(parsed);
    else if (header.type === 'file') this.#startFile(parsed.path);
    else this.#applyOther(parsed.path, withoutOverlayXattrs(header));
    this.#checkEntries();
  }

  data(piece: Buffer, offset: number): void {
    const header = this.#current;
    if (!header || this.#filePath.length === 0) return;
    if (piece.length === header.size) {
      this.#made += this.#root.file(this.#filePath, piece, withoutOverlayXattrs(header));
      this.#filePath = nothing;
      return;
    }
    if (!this.#isFileOpen) this.#openFile();
    this.#root.writeFile(piece, offset);
  }

  end(): void {
    const header = this.#current;
    if (header && this.#filePath.length > 0) {
      if (header.size === 0) {
        this.#made += this.#root.file(this.#filePath, nothing, withoutOverlayXattrs(header));
      } else {
        if (!this.#isFileOpen) this.#openFile();
        this.#root.endFile(header.size, withoutOverlayXattrs(header));
        this.#isFileOpen = false;
      }
    }
    this.#filePath = nothing;
    this.#checkEntries();
    this.#current = undefined;
  }

  /** Sets what must be set last: the times of folders, and the owner, mode and times of the root. */
  finish(): void {
    for (const [path, { seconds, nanoseconds }] of this.#folderTimes) {
      this.#root.folderTime(Buffer.from(path, 'latin1'), seconds, nanoseconds);
    }
    this.#root.folder(nothing, this.#rootHeader ? withoutOverlayXattrs(this.#rootHeader) : plainRoot);
  }

  close(): void {
    this.#root.close();
  }

  /** Puts an error that came up during an entry into words of the archive. */
  explain(error: unknown): GantryError {
    const errno = errnoOf(error);
    const name = this.#current?.name;
    if (isGantryError(error) || errno === undefined) return toGantryError(error, 'unpacking a layer');
    const where = name ? `archive entry ${showName(name)}` : 'unpacking a layer';
    const problem = name && archiveErrnos.get(errno);
    if (problem) return invalidArchive(problem, name, error);
    if (errno === 'EOPNOTSUPP' || errno === 'ENOSYS') {
      return new GantryError(
        'UNSUPPORTED',
        `${where}: the file system or kernel cannot hold it; use Linux 5.6 or later and a file system with extended attributes (ext4, xfs, btrfs)`,
        { cause: error, details: { errno } },
      );
    }
    if (errno === 'EPERM' || errno === 'EACCES') {
      return new GantryError('PERMISSION_DENIED', `${where}: ${missingRoot}`, { cause: error, details: { errno } });
    }
    return toGantryError(error, where);
  }

  #checkEntries(): void {
    if (this.entries + this.#made > this.#budget.entries) {
      throw overBudget('entries', this.#budget.entries, 'the count of entries and their missing folders');
    }
  }

  /** AUFS kept folders of its own at the root; what is in them is no part of the layer. */
  #checkMetadataFolder({ path, whiteoutFolder }: EntryPath): void {
    const end = path.indexOf('/', whiteoutFolder);
    const { kind } = parseWhiteout(path.subarray(whiteoutFolder, end));
    if (whiteoutFolder !== 0 || kind !== 'metadata') {
      throw invalidArchive('an entry inside a whiteout', this.#current?.name);
    }
  }

  #applyWhiteout({ path, nameStart }: EntryPath): void {
    const whiteout = parseWhiteout(path.subarray(nameStart));
    const folder = path.subarray(0, Math.max(0, nameStart - 1));
    if (whiteout.kind === 'opaque') {
      this.#made += this.#root.opaque(folder);
    } else if (whiteout.kind === 'whiteout') {
      this.#made += this.#root.whiteout(Buffer.concat([path.subarray(0, nameStart), whiteout.name]));
    }
  }

  #startFile(path: Buffer): void {
    if (path.length === 0) throw rootMisused(this.#current);
    this.#filePath = path;
    this.bytes += this.#current?.size ?? 0;
  }

  #openFile(): void {
    this.#made += this.#root.beginFile(this.#filePath);
    this.#isFileOpen = true;
  }

  #applyOther(path: Buffer, header: TarHeader): void {
    if (header.type === 'directory') {
      this.#applyFolder(path, header);
      return;
    }
    if (path.length === 0) throw rootMisused(header);
    switch (header.type) {
      case 'symlink':
        this.#made += this.#root.symlink(path, header.linkName, header);
        return;
      case 'hardlink':
        this.#made += this.#root.hardLink(path, linkTarget(header));
        return;
      case 'fifo':
        this.#made += this.#root.fifo(path, header);
        return;
      case 'character':
      case 'block':
        checkDevice(header);
        this.#made += this.#root.device(path, header.type, header.devMajor, header.devMinor, header);
    }
  }

  #applyFolder(path: Buffer, header: TarHeader): void {
    if (path.length === 0) {
      this.#rootHeader = { ...header, name: nothing };
      return;
    }
    this.#made += this.#root.folder(path, header);
    this.#folderPathBytes += path.length;
    if (this.#folderPathBytes > maxFolderPathBytes) {
      throw overBudget('entries', this.#budget.entries, 'the length of the paths of its folders');
    }
    this.#folderTimes.set(path.toString('latin1'), {
      seconds: header.mtimeSeconds,
      nanoseconds: header.mtimeNanoseconds,
    });
  }
}

function rootMisused(header: TarHeader | undefined): GantryError {
  return invalidArchive('the root can only be a folder', header?.name);
}

/** A hard link's target is a path of the archive, not a text as a symbolic link's is. */
function linkTarget(header: TarHeader): Buffer {
  const { path, nameStart, whiteoutFolder } = parseEntryPath(header.linkName);
  if (path.length === 0) throw invalidArchive('a hard link to the root', header.name);
  if (whiteoutFolder >= 0 || hasWhiteoutPrefix(path, nameStart)) {
    throw invalidArchive('a hard link to a whiteout', header.name);
  }
  return path;
}

function checkDevice(header: TarHeader): void {
  const { type, devMajor, devMinor } = header;
  if (devMajor < 0 || devMajor > maxMajor || devMinor < 0 || devMinor > maxMinor) {
    throw invalidArchive(`device number ${devMajor}:${devMinor} is out of range`, header.name);
  }
  if (type === 'character' && devMajor === 0 && devMinor === 0) {
    throw invalidArchive('the character device 0:0 would hide files of the layers below', header.name);
  }
}

/** Overlayfs takes these for its own: an archive could forge whiteouts or redirects with them. */
function withoutOverlayXattrs(header: TarHeader): TarHeader {
  if (header.xattrs.length === 0 || !header.xattrs.some(isOverlayXattr)) return header;
  return { ...header, xattrs: header.xattrs.filter((xattr) => !isOverlayXattr(xattr)) };
}

function isOverlayXattr({ name }: TarXattr): boolean {
  return overlayPrefixes.some((prefix) => prefix.equals(name.subarray(0, prefix.length)));
}
