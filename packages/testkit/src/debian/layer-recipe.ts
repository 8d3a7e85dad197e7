import type { ImageUser } from './users.js';

/** What of Debian's packages a layer is made of. */
export interface DebianLayerRecipe {
  /** Names; what they need comes with them (Pre-Depends and Depends, no Recommends). */
  readonly packages: readonly string[];
  /** Packages to leave out, and what only they need: maintainer scripts never run, so their tools are often not needed. */
  readonly exclude?: readonly string[];
  /** Of these packages only these files, e.g. `usr/bin/setpriv`. */
  readonly keep?: Readonly<Record<string, readonly string[]>>;
  /** Files and folders to leave out, besides documentation, manuals and translations. */
  readonly omit?: readonly string[];
  /** Writes passwd and group with root, nobody and these. Default: neither file is written. */
  readonly users?: readonly ImageUser[];
}
