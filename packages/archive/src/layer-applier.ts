import { errnoOf, GantryError, isGantryError, toGantryError } from '@gantry/interface';
import { addon, type BlobReader, type RootDirectory } from '@gantry/native';
import { overBudget, type UnpackBudget } from './budget.js';
import { type EntryPath, parseEntryPath } from './entry-path.js';
import { invalidArchive, missingRoot, showName } from './errors.js';
import { inUserNamespace } from './namespace/in-user-namespace.js';
import type { TarHeader } from './tar-entry.js';
import type { TarSink } from './tar-parser.js';
import { TreeWriter, withoutOverlayXattrs } from './tree-writer.js';
import { hasWhiteoutPrefix, parseWhiteout } from './whiteout.js';

/** The largest device numbers that Linux has: 12 and 20 bits. */
const maxMajor = 0xfff;
const maxMinor = 0xfffff;

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
  readonly #root: RootDirectory;
  readonly #writer: TreeWriter;
  readonly #budget: UnpackBudget;
  readonly #squash: boolean;
  /** Folders that had to be made on the way to whiteouts. */
  #made = 0;
  #rootHeader: TarHeader | undefined;
  #current: TarHeader | undefined;

  /** Opens the folder. */
  constructor(target: string, budget: UnpackBudget, squash = false) {
    this.#root = new (addon().RootDirectory)(target);
    this.#writer = new TreeWriter(this.#root, inUserNamespace());
    this.#squash = squash;
    this.#budget = budget;
  }

  /** Bytes of the regular files, holes included. */
  get bytes(): number {
    return this.#writer.bytes;
  }

  /** Small files whose bodies come from there are finished by whoever has time. An error of theirs has their path as `entry`. */
  writeBehind(reader: BlobReader): void {
    this.#root.writeBehind(reader);
  }

  entry(entry: TarHeader): void {
    const header = this.#squash ? { ...entry, uid: 0, gid: 0 } : entry;
    this.#current = header;
    this.entries++;
    const parsed = parseEntryPath(header.name);
    if (parsed.whiteoutFolder >= 0) this.#checkMetadataFolder(parsed);
    else if (hasWhiteoutPrefix(parsed.path, parsed.nameStart)) this.#applyWhiteout(parsed);
    else this.#apply(parsed.path, header);
    this.#checkEntries();
  }

  data(piece: Buffer, offset: number): void {
    this.#writer.data(piece, offset);
  }

  end(): void {
    this.#writer.end();
    this.#checkEntries();
    this.#current = undefined;
  }

  /** Sets what must be set last: the times of folders, and the owner, mode and times of the root. */
  finish(): void {
    this.#writer.finish();
    this.#root.folder(nothing, this.#rootHeader ? withoutOverlayXattrs(this.#rootHeader) : plainRoot);
  }

  close(): void {
    this.#root.close();
  }

  /** Puts an error that came up during an entry into words of the archive. */
  explain(error: unknown): GantryError {
    const errno = errnoOf(error);
    const name = entryOf(error) ?? this.#current?.name;
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
    if (this.entries + this.#made + this.#writer.made > this.#budget.entries) {
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

  #apply(path: Buffer, header: TarHeader): void {
    if (path.length === 0) {
      if (header.type !== 'directory') throw invalidArchive('the root can only be a folder', header.name);
      this.#rootHeader = { ...header, name: nothing };
      return;
    }
    if (header.type === 'character' || header.type === 'block') checkDevice(header);
    this.#writer.begin(path, header, header.type === 'hardlink' ? linkTarget(header) : nothing);
  }
}

/** Of a file that was finished after other entries had begun. */
function entryOf(error: unknown): Buffer | undefined {
  return error instanceof Error && 'entry' in error && error.entry instanceof Buffer ? error.entry : undefined;
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
