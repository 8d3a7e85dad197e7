import type { FileHandle } from 'node:fs/promises';

/** What a name in a tree stands for. */
export type TreeEntry =
  | { readonly type: 'directory' }
  | { readonly type: 'link'; readonly target: string }
  | { readonly type: 'file'; open(): Promise<FileHandle> }
  | { readonly type: 'other' };

/**
 * A root file system to look things up in. File names are any bytes, so here they are strings of one character a byte
 * (latin1).
 */
export interface Tree {
  /** The entry at a path from the root whose parents are all directories of the tree, none of them a link. */
  lookup(path: readonly string[]): Promise<TreeEntry | undefined>;
}

/** The bytes of a host path as the strings that trees work with. */
export function toByteString(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1');
}

/** A string of bytes as a path for node:fs. */
export function toPath(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}
