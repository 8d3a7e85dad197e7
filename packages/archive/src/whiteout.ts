import { invalidArchive } from './errors.js';

/**
 * What the last component of an entry's name means to the layers below. OCI image-spec, layer.md#whiteouts.
 *
 * - `none`: an entry like any other.
 * - `whiteout`: `.wh.x` hides `x`.
 * - `opaque`: `.wh..wh..opq` hides all that the layers below have in the entry's folder.
 * - `metadata`: `.wh..wh.aufs`, `.wh..wh.orph`, `.wh..wh.plnk`: what AUFS kept for itself; to be passed over.
 */
export type Whiteout =
  | { readonly kind: 'none' }
  | { readonly kind: 'whiteout'; readonly name: Buffer }
  | { readonly kind: 'opaque' }
  | { readonly kind: 'metadata' };

const prefix = Buffer.from('.wh.');
const metadataNames = new Set(['.wh..wh.aufs', '.wh..wh.orph', '.wh..wh.plnk']);

/** True if a name, or a component at an offset in a path, starts with `.wh.`. */
export function hasWhiteoutPrefix(path: Uint8Array, at = 0): boolean {
  return path[at] === 0x2e && path[at + 1] === 0x77 && path[at + 2] === 0x68 && path[at + 3] === 0x2e;
}

/** Parses one component of a path. `INVALID_ARCHIVE` for a `.wh.` name that hides nothing: `.wh.`, `.wh..`, `.wh...`. */
export function parseWhiteout(component: Uint8Array): Whiteout {
  if (!hasWhiteoutPrefix(component)) return { kind: 'none' };
  const name = Buffer.from(component.buffer, component.byteOffset, component.length).subarray(prefix.length);
  if (!hasWhiteoutPrefix(name)) {
    const text = name.length <= 2 ? name.toString('latin1') : undefined;
    if (text === '' || text === '.' || text === '..') throw invalidArchive('a whiteout of nothing', component);
    return { kind: 'whiteout', name };
  }
  const whole = prefix.toString() + name.toString('latin1');
  if (whole === '.wh..wh..opq') return { kind: 'opaque' };
  if (metadataNames.has(whole)) return { kind: 'metadata' };
  throw invalidArchive('a reserved whiteout name of no known meaning', component);
}
