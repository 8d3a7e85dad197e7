import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerId, errnoOf, toGantryError } from '@gantry/interface';
import { namesIn, temporaryName } from './records.js';

/** Numbers of which each is one container's at most. Which one has it is told by a file of the number's name, which only one can make. */
export class NumberClaims {
  constructor(readonly folder: string) {}

  /** False if it is taken. By a link, so that the file is never there without its content. */
  take(number: number, id: ContainerId): boolean {
    const path = join(this.folder, String(number));
    const temporary = temporaryName(path);
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(temporary, id, { flag: 'wx', mode: 0o600 });
      linkSync(temporary, path);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw toGantryError(error, `taking ${path}`);
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  release(number: number): void {
    rmSync(join(this.folder, String(number)), { force: true });
  }

  /** Those that a container has; more than one only if something else went wrong. */
  of(id: ContainerId): number[] {
    return this.all()
      .filter(([, owner]) => owner === id)
      .map(([number]) => number);
  }

  /** All that are taken, and by whom. */
  all(): [number: number, owner: ContainerId][] {
    const taken = namesIn(this.folder).filter((name) => /^\d+$/.test(name));
    return taken.map((name) => [Number(name), this.#ownerOf(name)]);
  }

  #ownerOf(name: string): ContainerId {
    try {
      return readFileSync(join(this.folder, name), 'utf8');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return '';
      throw toGantryError(error, `reading ${join(this.folder, name)}`);
    }
  }
}
