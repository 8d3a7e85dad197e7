import { type DirectoryRootfs, GantryError } from '@gantry/interface';
import type { Backend } from './backend.js';

/** The one layer of an image itself, read-only: nothing is made, nothing is written. */
export class BindBackend implements Backend {
  readonly name = 'bind';

  describe([source, ...more]: readonly string[]): DirectoryRootfs {
    if (source === undefined || more.length > 0) {
      throw new GantryError(
        'REFUSED',
        `the bind backend takes images of one layer, and this one has ${more.length + 1}: use the overlay or copy backend`,
        { details: { backend: this.name, layers: more.length + 1, limit: 1 } },
      );
    }
    return { type: 'directory', source, readonly: true };
  }

  provision(): void {
    // The layer is used where it is.
  }
}
