import { mkdirSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerId, errnoOf, GantryError, type NamespacePins } from '@gantry/interface';

const NSFS_MAGIC = 0x6e736673;

/** The network namespaces of containers, each at a path of its own for as long as it has attachments. */
export class PinnedNamespaces {
  readonly #folder: string;
  readonly #pins: NamespacePins;
  /** The host program's, which it does not leave. */
  #own: number | undefined;

  constructor(folder: string, pins: NamespacePins) {
    this.#folder = folder;
    this.#pins = pins;
  }

  pathOf(id: ContainerId): string {
    return join(this.#folder, id);
  }

  /** Keeps the network namespace of a process, which must not be the host's. */
  async pin(id: ContainerId, pid: number): Promise<void> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o711 });
    const path = this.pathOf(id);
    await this.#pins.pin(path, pid);
    this.#own ??= statSync('/proc/self/ns/net').ino;
    if (statSync(path).ino !== this.#own) return;
    await this.#pins.unpin(path);
    throw new GantryError('WRONG_STATE', `container ${id}: its process ${pid} is in the host's network namespace`, {
      details: { id, pid },
    });
  }

  /** Its path, or nothing if it is gone, as after a boot. */
  find(id: ContainerId): string {
    const path = this.pathOf(id);
    try {
      return statfsSync(path).type === NSFS_MAGIC ? path : '';
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return '';
      throw error;
    }
  }

  async unpin(id: ContainerId): Promise<void> {
    await this.#pins.unpin(this.pathOf(id));
  }

  ids(): readonly ContainerId[] {
    try {
      return readdirSync(this.#folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}
