import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerId, errnoOf, type MappedPort } from '@gantry/interface';
import { replaceFile } from '../durable.js';
import { isObject } from '../json.js';

/** What is kept of a container's networks besides its attachments. */
export interface NetworkRecord {
  /** The interfaces in the order of the spec. */
  readonly interfaces: readonly string[];
  readonly ports: readonly MappedPort[];
}

const none: NetworkRecord = { interfaces: [], ports: [] };

/** Folders of containers, each with what its networks need. The names of others begin with a dot, as no id does. */
export class ContainerFolders {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  of(id: ContainerId): string {
    return join(this.#root, id);
  }

  has(id: ContainerId): boolean {
    return existsSync(this.of(id));
  }

  make(id: ContainerId): void {
    mkdirSync(this.of(id), { recursive: true, mode: 0o700 });
  }

  /** Holds against the end of this process: what a power cut takes from it nobody needs after a boot. */
  write(id: ContainerId, record: NetworkRecord): void {
    replaceFile(join(this.of(id), 'networks'), JSON.stringify(record));
  }

  /** A torn one counts as none. */
  read(id: ContainerId): NetworkRecord {
    try {
      const value: unknown = JSON.parse(readFileSync(join(this.of(id), 'networks'), 'utf8'));
      const whole = isObject(value) && Array.isArray(value['interfaces']) && Array.isArray(value['ports']);
      return whole ? (value as unknown as NetworkRecord) : none;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return none;
      throw error;
    }
  }

  remove(id: ContainerId): void {
    rmSync(this.of(id), { recursive: true, force: true });
  }

  ids(): readonly ContainerId[] {
    try {
      return readdirSync(this.#root).filter((name) => !name.startsWith('.'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}
