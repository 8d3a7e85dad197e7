import { statSync } from 'node:fs';
import { join } from 'node:path';
import { filesOf, loadNetworkConfigurations, type NetworkConfigurations } from '../config-folder.js';

const endings = ['.conflist', '.conf', '.json'];

/** The configurations of a folder as they are now: read again only if a file has changed. */
export class CurrentConfigurations {
  readonly folder: string;
  #stamp = '';
  #loaded: NetworkConfigurations = { networks: [], failures: [] };

  constructor(folder: string) {
    this.folder = folder;
  }

  get(): NetworkConfigurations {
    const stamp = this.#stampOf();
    if (stamp !== this.#stamp) {
      this.#loaded = loadNetworkConfigurations(this.folder);
      this.#stamp = stamp;
    }
    return this.#loaded;
  }

  #stampOf(): string {
    const files = filesOf(this.folder, endings);
    // A list's plugins may lie in the folder that is called as it.
    const beside = this.#loaded.networks.flatMap(({ list }) => filesOf(join(this.folder, list.name), ['.conf']));
    return [...files, ...beside].map(stampOf).join('\n');
  }
}

function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${path} ${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}` : path;
}
