import { GantryError } from '@gantry/interface';
import { type FoundFile, type LogFile, listNewestFirst, openFound } from './files.js';

/** The files of one log, from an older one to the newer, while they are written and rotated. */
export class LogChain {
  readonly #stateDir: string;
  readonly #name: string;
  #current: string | undefined;
  /** The files newer than the current one when we last looked, the nearest first. */
  #newer: readonly string[] = [];

  constructor(stateDir: string, name: string) {
    this.#stateDir = stateDir;
    this.#name = name;
  }

  /**
   * Opens the file that comes after the current one, or the oldest if there is none yet; undefined if the current one is the
   * newest. `LIMIT_EXCEEDED` if that file was rotated away.
   */
  async next(): Promise<LogFile | undefined> {
    return this.#open((files) => this.#choose(files));
  }

  /** Opens the newest file; undefined if there is none. */
  async newest(): Promise<LogFile | undefined> {
    return this.#open((files) => files[0]);
  }

  /** Opens the file of that id; undefined if it was rotated away. */
  async find(id: string): Promise<LogFile | undefined> {
    return this.#open((files) => files.find((file) => file.id === id));
  }

  async #open(choose: (files: readonly FoundFile[]) => FoundFile | undefined): Promise<LogFile | undefined> {
    for (;;) {
      const files = await listNewestFirst(this.#stateDir, this.#name);
      const chosen = choose(files);
      if (!chosen) return undefined;
      const file = await openFound(chosen);
      if (!file) continue;
      this.#current = file.id;
      this.#newer = newerThan(files, file.id);
      return file;
    }
  }

  #choose(files: readonly FoundFile[]): FoundFile | undefined {
    if (this.#current === undefined) return files.at(-1);
    const index = files.findIndex(({ id }) => id === this.#current);
    if (index >= 0) {
      this.#newer = newerThan(files, this.#current);
      return files[index - 1];
    }
    const next = files.find(({ id }) => id === this.#newer[0]);
    if (next) return next;
    throw rotatedAway(this.#stateDir);
  }
}

/** The error for who comes too late. */
export function rotatedAway(stateDir: string, cause?: unknown): GantryError {
  return new GantryError(
    'LIMIT_EXCEEDED',
    `the log in ${stateDir} was rotated away before it was read: read faster, or keep more of it`,
    { cause, details: { path: stateDir } },
  );
}

function newerThan(files: readonly FoundFile[], id: string): string[] {
  const ids = files.map((file) => file.id);
  return ids.slice(0, Math.max(0, ids.indexOf(id))).reverse();
}
