import { join } from 'node:path';
import type { ContainerId } from '@gantry/interface';
import { addon } from '@gantry/native';
import { invalidField, refused } from '../errors.js';
import { NumberClaims } from '../number-claims.js';
import { type DiskOptions, defaultProjects } from './options.js';

/** The folders of a container that are to be in its project. */
export interface NewFolders {
  readonly count: number;
  /** Moves them, also from another project. */
  putInto(project: number): void;
}

/** All ones is no id; 0 is the project of whatever is in none. */
const maxProject = 0xfffffffe;

/** How often another may come to the same id at the same time before that is no chance any more. */
const mostMeetings = 100;

/**
 * Project ids, each in use by one container at most; an id of which the file system knows anything, from whomever, is passed
 * over.
 */
export class Projects {
  readonly #claims: NumberClaims;
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
    this.#claims = new NumberClaims(join(stateFolder, 'projects'));
    this.#first = first;
    this.#count = count;
    // Anywhere in the range, so that one that has just been let go is not the first to be tried after a restart.
    this.#next = this.#anywhere();
  }

  /**
   * Takes an id for a container, and has its folders, which are new and empty, put into that project. Those who have the same range on
   * this file system and other records may find an id free at the same time: then the file system, in whatever mount, counts
   * more in the project than the folders of one, at the latest when the last of them asks; who finds that takes another id.
   */
  take(id: ContainerId, anchor: string, isolator: string, folders: NewFolders): number {
    let meetings = 0;
    for (let tries = 0; tries < this.#count; tries++) {
      const project = this.#first + (this.#next % this.#count);
      this.#next += 1;
      const { used, files, limit } = addon().projectQuota(anchor, project);
      if (used !== 0 || files !== 0 || limit !== 0 || !this.#claims.take(project, id)) continue;
      folders.putInto(project);
      if (addon().projectQuota(anchor, project).files === folders.count) return project;
      this.#claims.release(project);
      // Not in step with the other, who may do the same; from there all are tried.
      this.#next = this.#anywhere();
      if (++meetings < mostMeetings) tries = -1;
    }
    const range = `${this.#first} to ${this.#first + this.#count - 1}`;
    throw refused(isolator, `all project ids from ${range} are in use`, 'give it more (disk.projects)');
  }

  release(project: number): void {
    this.#claims.release(project);
  }

  /** The ids that a container has; more than one only if something else went wrong. */
  of(id: ContainerId): number[] {
    return this.#claims.of(id);
  }

  #anywhere(): number {
    return Math.floor(Math.random() * this.#count);
  }
}
