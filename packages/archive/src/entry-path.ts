import { invalidArchive } from './errors.js';
import { hasWhiteoutPrefix } from './whiteout.js';

/** The longest path that the kernel takes is 4096 bytes with its NUL. */
const maxPath = 4095;
const maxName = 255;
const maxDepth = 1024;
const slash = 0x2f;
const dot = 0x2e;

/** An entry's path below the root, without empty and `.` components; empty for the root itself. */
export interface EntryPath {
  readonly path: Buffer;
  /** Where the last component starts. */
  readonly nameStart: number;
  /** Where the first folder on the way that has a `.wh.` name starts; -1 if none has. */
  readonly whiteoutFolder: number;
}

/**
 * Normalises an entry's name. `INVALID_ARCHIVE` for a `..` component (readers differ on what it leads to), a
 * component over 255 bytes, more than 1024 of them, or more than 4095 bytes.
 */
export function parseEntryPath(name: Buffer): EntryPath {
  const path = normalise(name);
  let nameStart = 0;
  let depth = 1;
  let whiteoutFolder = -1;
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && path[i] !== slash) continue;
    const length = i - nameStart;
    if (length > maxName) throw invalidArchive(`a path component of ${length} bytes`, name);
    if (length === 2 && path[nameStart] === dot && path[nameStart + 1] === dot) {
      throw invalidArchive("a path with '..' in it", name);
    }
    if (i === path.length) break;
    if (whiteoutFolder < 0 && hasWhiteoutPrefix(path, nameStart)) whiteoutFolder = nameStart;
    nameStart = i + 1;
    depth++;
  }
  if (path.length > maxPath) throw invalidArchive(`a path of ${path.length} bytes`, name);
  if (depth > maxDepth) throw invalidArchive(`a path of ${depth} components`, name);
  return { path, nameStart, whiteoutFolder };
}

/** Drops leading, trailing and doubled slashes and `.` components; a view of the name wherever that is only its ends. */
function normalise(name: Buffer): Buffer {
  let start = 0;
  let end = name.length;
  while (start < end && isSkippable(name, start, end)) start++;
  while (end > start && (name[end - 1] === slash || (name[end - 1] === dot && name[end - 2] === slash))) end--;
  for (let i = start; i < end; i++) {
    if (name[i] === slash && isSkippable(name, i + 1, end)) return rebuild(name.subarray(start, end));
  }
  return name.subarray(start, end);
}

/** True at a slash, or at a dot that is a whole component. */
function isSkippable(name: Buffer, at: number, end: number): boolean {
  return name[at] === slash || (name[at] === dot && (at + 1 === end || name[at + 1] === slash));
}

function rebuild(name: Buffer): Buffer {
  const components = name.toString('latin1').split('/');
  return Buffer.from(components.filter((component) => component !== '' && component !== '.').join('/'), 'latin1');
}
