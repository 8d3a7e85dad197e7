import { type ErrorCode, errnoOf, GantryError, isGantryError, toGantryError } from '@gantry/interface';
import { addon, type RootDirectory } from '@gantry/native';
import { parseEntryPath } from './entry-path.js';
import { invalidArchive, missingFolder, showName } from './errors.js';
import type { TarHeader } from './tar-entry.js';
import type { TarSink } from './tar-parser.js';
import { TreeWriter } from './tree-writer.js';

const nothing = Buffer.alloc(0);
const slash = Buffer.from('/');

/** What the tree, not the archive, is to blame for. */
const treeErrnos: ReadonlyMap<string, readonly [code: ErrorCode, problem: string]> = new Map([
  ['ENOENT', ['WRONG_STATE', 'what it links to, or a folder on its path, is not there']],
  ['ENOTDIR', ['WRONG_STATE', 'a folder on its path is no folder there']],
  ['EISDIR', ['WRONG_STATE', 'it is a hard link to what is a folder there']],
  ['ELOOP', ['WRONG_STATE', 'there are too many symbolic links on its path, or one of those that only /proc has']],
  ['EEXIST', ['WRONG_STATE', 'something else is making the same name']],
  ['ENOTEMPTY', ['WRONG_STATE', 'a folder with something in it is in the way: remove it first']],
  [
    'EBUSY',
    ['WRONG_STATE', 'a mount is in the way: a file of that name cannot be replaced, only written by a process there'],
  ],
  ['EXDEV', ['WRONG_STATE', 'it is a hard link from one mount to another']],
  ['ENAMETOOLONG', ['INVALID_ARCHIVE', 'its path is too long there']],
  ['EOPNOTSUPP', ['UNSUPPORTED', 'the file system there has no such extended attributes']],
  ['ENOSYS', ['UNSUPPORTED', 'the kernel has no openat2: use Linux 5.6 or later']],
]);

/**
 * Writes the entries of an archive below a folder of a tree that others use meanwhile. Every path is resolved anew from the tree's
 * root, so links lead where they lead for those whose root it is, and never out of it.
 */
export class CopyApplier implements TarSink {
  readonly #root: RootDirectory;
  readonly #writer: TreeWriter;
  readonly #prefix: Buffer;
  #current: TarHeader | undefined;

  /** `folder` is a path below the root, `a/b`; empty for the root itself. It must be there. */
  constructor(root: string, folder: Buffer) {
    const { RootDirectory, TreeReader } = addon();
    try {
      new TreeReader(root, folder.length === 0 ? Buffer.from('.') : folder).close();
      this.#root = new RootDirectory(root, true);
    } catch (error) {
      throw missingFolder(error, folder);
    }
    this.#writer = new TreeWriter(this.#root);
    this.#prefix = folder.length === 0 ? nothing : Buffer.concat([folder, slash]);
  }

  entry(header: TarHeader): void {
    this.#current = header;
    const path = this.#pathOf(header.name);
    if (!path) {
      // The folder itself: it is there, and stays as it is.
      if (header.type === 'directory') return;
      throw invalidArchive('the root can only be a folder', header.name);
    }
    if (header.type === 'character' || header.type === 'block') {
      throw new GantryError(
        'UNSUPPORTED',
        `archive entry ${showName(header.name)}: a device is not copied into a tree in use; leave it out, or have it made there`,
        { details: { entry: header.name.toString() } },
      );
    }
    this.#writer.begin(path, header, header.type === 'hardlink' ? this.#linkTarget(header) : nothing);
  }

  data(piece: Buffer, offset: number): void {
    this.#writer.data(piece, offset);
  }

  end(): void {
    this.#writer.end();
    this.#current = undefined;
  }

  finish(): void {
    this.#writer.finish();
  }

  close(): void {
    this.#root.close();
  }

  /** Makes an error that came up during an entry one that names it. */
  explain(error: unknown): GantryError {
    const name = this.#current?.name;
    const errno = errnoOf(error);
    if (isGantryError(error) || errno === undefined) return toGantryError(error, 'copying an archive');
    const where = name ? `archive entry ${showName(name)}` : 'copying an archive';
    const known = treeErrnos.get(errno);
    if (!known) return toGantryError(error, where);
    const details = { errno, ...(name ? { entry: name.toString() } : {}) };
    return new GantryError(known[0], `${where}: ${known[1]}`, { cause: error, details });
  }

  /** The path from the tree's root; undefined for the folder that is copied into. */
  #pathOf(name: Buffer): Buffer | undefined {
    const { path } = parseEntryPath(name);
    return path.length === 0 ? undefined : Buffer.concat([this.#prefix, path]);
  }

  /** A hard link's target is a path of the archive, not a text as a symbolic link's is. */
  #linkTarget(header: TarHeader): Buffer {
    const path = this.#pathOf(header.linkName);
    if (!path) throw invalidArchive('a hard link to the root', header.name);
    return path;
  }
}
