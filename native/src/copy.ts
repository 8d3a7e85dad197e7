/** How far a copy has come. */
export interface CopyProgress {
  readonly done: boolean;
  readonly entries: number;
  /** Of regular files, holes included. */
  readonly bytes: number;
  /** Files that share their blocks with the layer's. */
  readonly cloned: number;
}

/** A copy of stacked layers under way. */
export interface TreeCopy {
  /**
   * Goes on for some 10 ms in a thread of the pool; one at a time. Rejects with a Node.js system error whose path is
   * the entry's; then there is no going on.
   */
  step(): Promise<CopyProgress>;
}

/** The addon's copying. */
export interface CopyAddon {
  /**
   * Copies the merged view of layers in overlayfs form, lowest first, into an empty folder: owners, modes, times,
   * extended attributes, hard links, holes and devices as they are; blocks are shared where the file system can. `opaque` is the
   * name of the attribute that marks opaque folders. The layers must not change meanwhile.
   */
  readonly TreeCopy: new (
    layers: readonly string[],
    target: string,
    opaque: string,
  ) => TreeCopy;
}
