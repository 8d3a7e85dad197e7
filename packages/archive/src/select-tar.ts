import { parseEntryPath } from './entry-path.js';
import { invalidArchive, showName } from './errors.js';
import { type ReadTarOptions, readTar } from './read-tar.js';
import type { TarEntry, TarEntryType } from './tar-entry.js';
import { hasWhiteoutPrefix } from './whiteout.js';
import { type TarInput, writeTar } from './write-tar.js';

/** Which entries {@link selectTar} takes, and what they are called then. */
export interface SelectTarOptions extends ReadTarOptions {
  /** The folder, `rootfs` or `a/b`, whose entries are taken; it becomes the root. Default: all entries, as they are called. */
  readonly stripPrefix?: string;
  /** Whether an entry outside `stripPrefix` is `INVALID_ARCHIVE`; else it is left out. */
  readonly refuseOutside?: boolean;
  /** Names outside `stripPrefix` that are left out even if others are refused, e.g. appc's `manifest`. */
  readonly outside?: ReadonlySet<string>;
  /**
   * Absolute paths in the new root, `/usr/bin/app`: nothing else is taken but the folders that lead to them. Paths are complete: a
   * folder's own does not stand for what is in it. Default: everything.
   */
  readonly only?: ReadonlySet<string>;
}

/**
 * Reads an uncompressed archive as `readTar` does and writes it again as a layer, without keeping more of it than one
 * piece. Paths are normalised, and those of hard links are rewritten like all others.
 *
 * @throws `INVALID_ARCHIVE` also for a path with `..`, for a name that starts with `.wh.` (which would hide
 * something in a layer), and for a hard link to an entry that is not taken. Else as `readTar`.
 */
export function selectTar(
  source: AsyncIterable<Uint8Array>,
  options: SelectTarOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return writeTar(selectEntries(readTar(source, options), options), options.signal ? { signal: options.signal } : {});
}

async function* selectEntries(entries: AsyncIterable<TarEntry>, options: SelectTarOptions): AsyncGenerator<TarInput> {
  const selection = new Selection(options);
  for await (const entry of entries) {
    const path = selection.place(entry.name, entry.name);
    if (path === undefined || !selection.takes(path, entry.type)) continue;
    if (path === '' && entry.type !== 'directory') throw invalidArchive('the root can only be a folder', entry.name);
    yield { ...entry, name: nameOf(path, entry), linkName: selection.linkName(entry) };
  }
}

/** Paths are compared as characters that stand for bytes. */
class Selection {
  readonly #prefix: string;
  readonly #refuseOutside: boolean;
  readonly #outside: ReadonlySet<string>;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #leading = new Set<string>(['']);

  constructor({ stripPrefix = '', refuseOutside = false, outside = new Set(), only }: SelectTarOptions) {
    this.#prefix = parseEntryPath(Buffer.from(stripPrefix)).path.toString('latin1');
    this.#refuseOutside = refuseOutside;
    this.#outside = new Set([...outside].map((name) => Buffer.from(name).toString('latin1')));
    if (!only) return;
    this.#only = new Set([...only].map((path) => parseEntryPath(Buffer.from(path)).path.toString('latin1')));
    for (const path of this.#only) {
      for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) this.#leading.add(path.slice(0, at));
    }
  }

  /** The path in the new root, or undefined for one that is left out. */
  place(name: Buffer, entry: Buffer): string | undefined {
    const { path, nameStart, whiteoutFolder } = parseEntryPath(name);
    const text = path.toString('latin1');
    const isRoot = text === this.#prefix;
    if (isRoot || this.#prefix === '' || text.startsWith(`${this.#prefix}/`)) {
      if (whiteoutFolder >= 0 || hasWhiteoutPrefix(path, nameStart)) {
        throw invalidArchive('a name that starts with .wh. would hide something in a layer', entry);
      }
      return isRoot ? '' : text.slice(this.#prefix === '' ? 0 : this.#prefix.length + 1);
    }
    // The folders that lead to the prefix are no entries of the new root, and no harm either.
    const isLeading = text === '' || this.#prefix.startsWith(`${text}/`);
    if (this.#refuseOutside && !isLeading && !this.#outside.has(text)) {
      throw invalidArchive(`it is not below ${showName(Buffer.from(this.#prefix, 'latin1'))}`, entry);
    }
    return undefined;
  }

  takes(path: string, type: TarEntryType): boolean {
    return !this.#only || this.#only.has(path) || (type === 'directory' && this.#leading.has(path));
  }

  linkName(entry: TarEntry): Buffer {
    if (entry.type !== 'hardlink') return entry.linkName;
    const target = this.place(entry.linkName, entry.name);
    if (target === undefined || !this.takes(target, 'file')) {
      throw invalidArchive(`a hard link to ${showName(entry.linkName)}, which is left out`, entry.name);
    }
    return Buffer.from(target, 'latin1');
  }
}

function nameOf(path: string, { type }: TarEntry): Buffer {
  if (path === '') return Buffer.from('./');
  return Buffer.from(type === 'directory' ? `${path}/` : path, 'latin1');
}
