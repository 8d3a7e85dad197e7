import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf } from '@gantry/interface';

/** Where the volumes of one state root are. */
export interface VolumeFolders {
  /** Folder of what outlives a boot; may be that of other state roots too. */
  readonly root: string;
  /** Tells this state root's from others': a name of a folder. */
  readonly place: string;
  /**
   * Removes a folder with all that containers have put there; nothing if there is none. Default: as the host program's own user,
   * who may be unable to where containers have users that are others on the host.
   */
  readonly removeTree?: (path: string) => Promise<void>;
}

/** What a host program that says nothing of it removes folders by. */
export const removeAsOwnUser = (path: string): Promise<void> => rm(path, { recursive: true, force: true });

/** Folders of one kind, one a container, that come and go with it: `<root>/<kind>/<place>/<id>`. */
export class ContainerFolders {
  readonly #root: string;
  readonly #removeTree: (path: string) => Promise<void>;

  constructor({ root, place, removeTree = removeAsOwnUser }: VolumeFolders, kind: string) {
    this.#root = join(root, kind, place);
    this.#removeTree = removeTree;
  }

  path(id: ContainerId): string {
    return join(this.#root, id);
  }

  /** Makes it unless it is there. Only the host's root gets through the one above it. */
  async make(id: ContainerId, mode = 0o700): Promise<string> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const path = this.path(id);
    try {
      await mkdir(path, { mode });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    return path;
  }

  /** Removes it with all in it. Does nothing if there is none. */
  async remove(id: ContainerId): Promise<void> {
    const path = this.path(id);
    // Asked of every container that ends, most of which have none.
    if (existsSync(path)) await this.#removeTree(path);
  }

  async *list(): AsyncIterable<ContainerId> {
    try {
      yield* await readdir(this.#root);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}
