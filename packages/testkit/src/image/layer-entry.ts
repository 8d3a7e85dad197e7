import { GantryError } from '@gantry/interface';

/** What every entry of a layer has. */
export interface LayerEntryBase {
  /** Relative to the root, without `./`; whiteouts are files called `.wh.name`. */
  readonly path: string;
  /** Permission bits. Default 0o755 for a directory, 0o777 for a symlink, else 0o644. */
  readonly mode?: number;
  /** Default 0. */
  readonly uid?: number;
  /** Default 0. */
  readonly gid?: number;
  /** Seconds since the epoch. Default 0, so that equal images have equal digests. */
  readonly mtime?: number;
  /** Extended attributes by their full names, e.g. `user.key` or `security.capability`. */
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
}

/** One entry of a layer, written as it is and in its place: a layer may be as odd as a test needs. */
export type LayerEntry = LayerEntryBase &
  (
    | { readonly type: 'file'; readonly content?: string | Uint8Array }
    | { readonly type: 'directory' | 'fifo' }
    | { readonly type: 'symlink'; readonly target: string }
    | { /** Path of an entry before this one. */ readonly type: 'hardlink'; readonly target: string }
    | { readonly type: 'character-device' | 'block-device'; readonly major: number; readonly minor: number }
  );

/** A file whose content is streamed. */
export type StreamedFile = LayerEntryBase & {
  readonly type: 'stream';
  /** Bytes. */
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
};

/** A layer that makes its entries while they are written. */
export interface StreamedLayer {
  entries(): AsyncIterable<LayerEntry | StreamedFile>;
}

/** What a layer is made of. */
export type LayerInput = readonly LayerEntry[] | StreamedLayer;

const defaultModes = { directory: 0o755, symlink: 0o777 } as const;

export function modeOf(entry: LayerEntry | StreamedFile): number {
  const { mode = entry.type in defaultModes ? defaultModes[entry.type as keyof typeof defaultModes] : 0o644 } = entry;
  if (Number.isInteger(mode) && mode >= 0 && mode <= 0o7777) return mode;
  throw new GantryError('INVALID_ARGUMENT', `layer entry ${entry.path}: mode ${mode}, want 0 to 0o7777`, {
    details: { field: 'mode' },
  });
}
