import { errnoOf, GantryError, isGantryError, toGantryError } from '@gantry/interface';
import { addon, type TreeEntry, type TreeReader } from '@gantry/native';
import { missingFolder, showName } from './errors.js';
import { storedSegments } from './holes.js';
import type { Segment } from './sparse.js';
import type { TarXattr } from './tar-entry.js';
import { hasWhiteoutPrefix } from './whiteout.js';
import type { TarInput } from './write-tar.js';

/** Whose marks a tree has: those of an overlay mount's upper folder, in either name space of attributes, or nobody's. */
export type OverlayMarks = 'none' | 'trusted' | 'user';

/** The same; of a `copy`, which is no layer, nothing is a mark. */
export type TreeMarks = OverlayMarks | 'copy';

/** What is packed: a folder, or what has a name in a folder inside it, which is found as if the first were `/`. */
export interface PackedTree {
  readonly root: string;
  /** `a/b`; empty for the root itself. */
  readonly folder?: Buffer;
  /** Empty, or left out, for all that is in the folder. */
  readonly name?: Buffer;
}

/** What the kernel takes, and the applier. */
const maxPath = 4095;
const maxDepth = 1024;
const readSize = 256 * 1024;

const nothing = Buffer.alloc(0);
const slash = Buffer.from('/');

/** Marks that make a folder or file in an upper folder mean what lies elsewhere, so that no layer can say it. */
const unsayable: ReadonlyMap<string, string> = new Map([
  ['redirect', 'the folder was moved: mount the overlay with redirect_dir=off'],
  ['metacopy', 'its data is in a lower layer: mount the overlay with metacopy=off'],
  ['whiteout', 'it is a whiteout of a nested overlay'],
]);

/** What changed between two looks at the tree. */
const raceErrnos = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENODATA', 'ERANGE']);

interface Level {
  readonly path: Buffer;
  readonly names: readonly Buffer[];
  at: number;
}

/** Walks a tree and gives the entries of its layer: a folder before what is in it, names in the order of their bytes. */
export class TreePacker {
  readonly #reader: TreeReader;
  readonly #marks: TreeMarks;
  readonly #start: Buffer;
  /** By identity: the first name of each entry that has several. */
  readonly #linked = new Map<string, Buffer>();
  readonly #levels: Level[] = [];

  /** Opens the folder; throws `GantryError`. */
  constructor({ root, folder, name = nothing }: PackedTree, marks: TreeMarks) {
    this.#marks = marks;
    this.#start = name;
    const { TreeReader } = addon();
    try {
      this.#reader = folder
        ? new TreeReader(root, folder.length === 0 ? Buffer.from('.') : folder)
        : new TreeReader(root);
    } catch (error) {
      throw folder ? missingFolder(error, folder) : toGantryError(error, `packing ${root}`);
    }
  }

  /** A body is to be read before the next entry is asked for. `NOT_FOUND` if there is nothing. */
  *entries(): Generator<TarInput, void, undefined> {
    try {
      yield* this.#visit(this.#start);
    } catch (error) {
      throw isGantryError(error) && errnoOf(error.cause) === 'ENOENT' ? nothingThere(this.#start, error) : error;
    }
    for (let level = this.#levels.at(-1); level; level = this.#levels.at(-1)) {
      const name = level.names[level.at++];
      if (name) yield* this.#visit(this.#childOf(level.path, name));
      else this.#levels.pop();
    }
  }

  close(): void {
    this.#reader.close();
  }

  #childOf(folder: Buffer, name: Buffer): Buffer {
    const path = folder.length === 0 ? name : Buffer.concat([folder, slash, name]);
    if (this.#marks !== 'copy' && hasWhiteoutPrefix(name))
      throw unsupported(path, 'layers keep names that start with .wh. for themselves');
    if (path.length > maxPath || this.#levels.length > maxDepth) {
      throw new GantryError(
        'LIMIT_EXCEEDED',
        `${showName(path)}: a layer takes paths of ${maxPath} bytes and ${maxDepth} components`,
        { details: { path: path.toString() } },
      );
    }
    return path;
  }

  *#visit(path: Buffer): Generator<TarInput, void, undefined> {
    const entry = this.#guard(path, () => this.#reader.open(path));
    if (this.#isWhiteout(entry, path)) {
      yield marker(path, Buffer.concat([Buffer.from('.wh.'), path.subarray(nameStart(path))]));
      return;
    }
    this.#checkMarks(entry, path);
    const metadata = metadataOf(entry);
    switch (entry.type) {
      case 'socket':
        return;
      case 'directory':
        yield { ...metadata, name: Buffer.concat([path.length === 0 ? Buffer.from('.') : path, slash]) };
        if (this.#mark(entry, 'opaque') === 'y')
          yield marker(Buffer.concat([path, slash]), Buffer.from('.wh..wh..opq'));
        this.#levels.push({ path, names: this.#sortedNames(path), at: 0 });
        return;
      default: {
        const first = entry.links > 1 ? this.#linked.get(entry.identity) : undefined;
        if (first) {
          yield { ...metadata, xattrs: [], name: path, type: 'hardlink', linkName: first };
          return;
        }
        if (entry.links > 1) this.#linked.set(entry.identity, path);
        yield { ...metadata, name: path, ...this.#contentOf(entry, path) };
      }
    }
  }

  #sortedNames(path: Buffer): Buffer[] {
    const names = this.#guard(path, () => this.#reader.list(path));
    return names.map((name) => Buffer.from(name.buffer, name.byteOffset, name.length)).sort(Buffer.compare);
  }

  #contentOf(entry: TreeEntry, path: Buffer): Partial<TarInput> {
    if (entry.type === 'symlink') return { linkName: entry.target ?? nothing };
    if (entry.type !== 'file') return { devMajor: entry.devMajor, devMinor: entry.devMinor };
    const segments = this.#guard(path, () => storedSegments(entry.size, (offset) => this.#reader.nextData(offset)));
    const stored = segments ?? [{ offset: 0, length: entry.size }];
    return { size: entry.size, ...(segments && { segments }), body: this.#bytesOf(path, stored) };
  }

  *#bytesOf(path: Buffer, segments: readonly Segment[]): Generator<Uint8Array, void, undefined> {
    for (const { offset, length } of segments) {
      for (let at = 0; at < length; ) {
        const buffer = Buffer.allocUnsafe(Math.min(readSize, length - at));
        const size = this.#guard(path, () => this.#reader.read(buffer, offset + at));
        if (size === 0) throw changed(path, 'it became shorter');
        yield buffer.subarray(0, size);
        at += size;
      }
    }
  }

  #isWhiteout(entry: TreeEntry, path: Buffer): boolean {
    if (this.#marks === 'copy') return false;
    if (entry.type !== 'character' || entry.devMajor !== 0 || entry.devMinor !== 0) return false;
    if (this.#marks === 'none') throw unsupported(path, 'the character device 0:0 would hide files of other layers');
    return true;
  }

  #checkMarks(entry: TreeEntry, path: Buffer): void {
    for (const [mark, problem] of unsayable) {
      if (this.#mark(entry, mark) !== undefined) throw unsupported(path, problem);
    }
  }

  /** The value of one of overlayfs's own attributes, if these count here. */
  #mark({ xattrs }: TreeEntry, mark: string): string | undefined {
    if (this.#marks === 'none' || this.#marks === 'copy' || xattrs.length === 0) return undefined;
    const wanted = Buffer.from(`${this.#marks}.overlay.${mark}`);
    const found = xattrs.find(({ name }) => wanted.equals(name));
    return found && Buffer.from(found.value).toString('latin1');
  }

  /** Makes an error of the system's one that names the entry. */
  #guard<T>(path: Buffer, call: () => T): T {
    try {
      return call();
    } catch (error) {
      const errno = errnoOf(error) ?? '';
      if (raceErrnos.has(errno)) throw changed(path, errno, error);
      if (errno === 'ENOSYS') throw unsupported(path, 'the kernel has no openat2: use Linux 5.6 or later', error);
      throw toGantryError(error, `packing ${showName(path)}`);
    }
  }
}

/** Meaningless on another machine, or overlayfs's own. */
const droppedXattrs = ['trusted.overlay.', 'user.overlay.', 'security.selinux'].map((prefix) => Buffer.from(prefix));

function metadataOf(entry: TreeEntry): TarInput {
  const { type, mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = entry;
  const xattrs = entry.xattrs.map(
    ({ name, value }): TarXattr => ({ name: Buffer.from(name), value: Buffer.from(value) }),
  );
  return {
    name: nothing,
    type: type === 'socket' ? 'file' : type,
    mode,
    uid,
    gid,
    mtimeSeconds,
    mtimeNanoseconds,
    xattrs: xattrs
      .filter(({ name }) => !droppedXattrs.some((prefix) => prefix.equals(name.subarray(0, prefix.length))))
      .sort((a, b) => Buffer.compare(a.name, b.name)),
  };
}

function nothingThere(path: Buffer, cause: unknown): GantryError {
  return new GantryError('NOT_FOUND', `${showName(path)} is not there`, { cause, details: { path: path.toString() } });
}

function nameStart(path: Buffer): number {
  return path.lastIndexOf(slash) + 1;
}

/** An empty file in place of the last component of a path. */
function marker(path: Buffer, name: Buffer): TarInput {
  return { name: Buffer.concat([path.subarray(0, nameStart(path)), name]), mode: 0o600 };
}

function unsupported(path: Buffer, problem: string, cause?: unknown): GantryError {
  const details = { path: path.toString() };
  return new GantryError('UNSUPPORTED', `packing ${showName(path)}: ${problem}`, { cause, details });
}

function changed(path: Buffer, how: string, cause?: unknown): GantryError {
  return new GantryError(
    'WRONG_STATE',
    `packing ${showName(path)}: it changed meanwhile (${how}); pause what writes to the folder`,
    { cause, details: { path: path.toString() } },
  );
}
