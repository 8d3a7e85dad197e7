import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerId } from '@gantry/interface';
import { errnoOf, toGantryError } from '@gantry/interface';

const suffix = '.json';

/**
 * What an isolator has to know of a container in the next host program, too: a small file each, written before the thing that
 * it tells of is made. Not flushed: after a power cut no container runs, and a record that is torn counts as an empty one.
 * Synchronous, as files this small are in the kernel's memory.
 */
export class ContainerRecords<T extends object> {
  constructor(readonly folder: string) {}

  write(id: ContainerId, record: T): void {
    const path = this.#pathOf(id);
    const temporary = temporaryName(path);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeFileSync(temporary, JSON.stringify(record), { flag: 'wx', mode: 0o600 });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw toGantryError(error, `writing ${path}`);
    }
  }

  /** Undefined if there is none; whatever of it can be read if it is torn. */
  read(id: ContainerId): Partial<T> | undefined {
    const path = this.#pathOf(id);
    // Most containers have none, and an error is dear.
    if (!existsSync(path)) return undefined;
    try {
      return parsed(readFileSync(path, 'utf8'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw toGantryError(error, `reading ${path}`);
    }
  }

  remove(id: ContainerId): void {
    const path = this.#pathOf(id);
    try {
      rmSync(path, { force: true });
    } catch (error) {
      throw toGantryError(error, `removing ${path}`);
    }
  }

  ids(): ContainerId[] {
    return namesIn(this.folder)
      .filter((name) => name.endsWith(suffix))
      .map((name) => name.slice(0, -suffix.length));
  }

  #pathOf(id: ContainerId): string {
    return join(this.folder, `${id}${suffix}`);
  }
}

/** The names in a folder; none if it is not there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw toGantryError(error, `listing ${folder}`);
  }
}

/** A name beside a path that nobody else uses, nor has left behind: the numbers of processes come again, and are others in other containers. */
export function temporaryName(path: string): string {
  return `${path}.${randomUUID()}.tmp`;
}

function parsed<T extends object>(text: string): Partial<T> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {}; // Torn by a power cut.
  }
}
