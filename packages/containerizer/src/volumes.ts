import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeFiles } from '@gantry/archive';
import { type ContainerId, errnoOf } from '@gantry/interface';

/** The folders that the containers of a pod have in common, which come and go with it. */
export class PodVolumes {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** The folder of one volume on the host. */
  path(pod: ContainerId, name: string): string {
    return join(this.#root, pod, name);
  }

  /** Makes them, empty, for every user of the pod's containers to write. */
  async make(pod: ContainerId, names: readonly string[]): Promise<void> {
    for (const name of names) {
      const folder = this.path(pod, name);
      await mkdir(join(this.#root, pod), { recursive: true, mode: 0o711 });
      await mkdir(folder);
      // As a new folder's, but not cut by the host program's mask.
      await chmod(folder, 0o777);
    }
  }

  /** Removes all volumes of a pod, with what is in them. Does nothing if there are none. */
  async remove(pod: ContainerId): Promise<void> {
    const folder = join(this.#root, pod);
    // Asked of every container that ends, most of which have none.
    if (existsSync(folder)) await removeFiles(folder);
  }

  /** Ids of the pods that have volumes. */
  async *list(): AsyncIterable<ContainerId> {
    try {
      yield* await readdir(this.#root);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}
