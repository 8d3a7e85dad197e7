import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerId, errnoOf, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { invalidField, refused } from '../errors.js';
import { namesIn, temporaryName } from '../records.js';
import { type DiskOptions, defaultProjects } from './options.js';

/** All ones is no id; 0 is the project of whatever is in none. */
const maxProject = 0xfffffffe;

/**
 * Project ids, each in use by one container at most. Which one has it is told by a file of the id's name, which only one
 * can make; and an id of which the file system knows anything, from whomever, is passed over.
 */
export class Projects {
  readonly #folder: string;
  readonly #first: number;
  readonly #count: number;
  #next: number;

  /** `INVALID_ARGUMENT` for ids that no file system has. */
  constructor({ stateFolder, projects = defaultProjects }: DiskOptions) {
    const { first, count } = projects;
    const areIds = [first, count].every((number) => Number.isSafeInteger(number) && number >= 1);
    if (!areIds || first + count - 1 > maxProject) {
      throw invalidField('disk.projects', `must be ids from 1 to ${maxProject}, not ${count} from ${first} on`);
    }
    this.#folder = join(stateFolder, 'projects');
    this.#first = first;
    this.#count = count;
    // Anywhere in the range, so that one that has just been let go is not the first to be tried after a restart.
    this.#next = Math.floor(Math.random() * this.#count);
  }

  /** Takes an id for a container. */
  take(id: ContainerId, anchor: string, isolator: string): number {
    for (let tries = 0; tries < this.#count; tries++) {
      const project = this.#first + (this.#next % this.#count);
      this.#next += 1;
      const { used, files, limit } = addon().projectQuota(anchor, project);
      if (used === 0 && files === 0 && limit === 0 && this.#reserve(project, id)) return project;
    }
    const range = `${this.#first} to ${this.#first + this.#count - 1}`;
    throw refused(isolator, `all project ids from ${range} are in use`, 'give it more (disk.projects)');
  }

  release(project: number): void {
    rmSync(join(this.#folder, String(project)), { force: true });
  }

  /** The ids that a container has; more than one only if something else went wrong. */
  of(id: ContainerId): number[] {
    return this.all()
      .filter(([, owner]) => owner === id)
      .map(([project]) => project);
  }

  /** All that are taken, and by whom. */
  all(): [project: number, owner: ContainerId][] {
    const taken = namesIn(this.#folder).filter((name) => /^\d+$/.test(name));
    return taken.map((name) => [Number(name), this.#ownerOf(name)]);
  }

  #ownerOf(name: string): ContainerId {
    try {
      return readFileSync(join(this.#folder, name), 'utf8');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return '';
      throw toGantryError(error, `reading project ${name}`);
    }
  }

  /** By a link, so that the file is never there without its content. */
  #reserve(project: number, id: ContainerId): boolean {
    const path = join(this.#folder, String(project));
    const temporary = temporaryName(path);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(temporary, id, { flag: 'wx', mode: 0o600 });
      linkSync(temporary, path);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw toGantryError(error, `taking project ${project}`);
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}
