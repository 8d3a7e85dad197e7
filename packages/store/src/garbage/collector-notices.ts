import { lstatSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, throwIfAborted } from '@gantry/interface';
import { inFolders } from '../durable.js';
import { namesIn } from '../folder-names.js';
import type { StoreFolders } from '../folders.js';
import { isAbandoned, ownedName } from '../owned-name.js';

/** What a collector may take for one phase: far more than it needs, as others wait for it. */
const patienceMs = 30_000;
const pollMs = 3;

/** Says for as long as it stands that its maker moves garbage out of the store. */
export interface CollectorNotice {
  /** False once it is withdrawn, or revoked by one who would not wait any longer. */
  stands(): boolean;
  withdraw(): Promise<void>;
}

/**
 * How collectors and everybody else stay out of each other's way, in any number of processes and without a lock. A
 * collector posts a notice, only then looks at what is in use, moves what is not, and withdraws the notice. Whoever
 * is about to rely on something in the store says so first (`Holds`), and then waits for the notices that it sees:
 * either the collector sees the hold, or the holder sees the notice and looks only when the collector is done.
 */
export class CollectorNotices {
  readonly #folder: string;
  readonly #patienceMs: number;

  constructor({ collectors }: StoreFolders, patience = patienceMs) {
    this.#folder = collectors;
    this.#patienceMs = patience;
  }

  async post(): Promise<CollectorNotice> {
    const path = join(this.#folder, await ownedName());
    await inFolders([this.#folder], () => writeFile(path, '', { flag: 'wx', mode: 0o600 }));
    return { stands: () => exists(path), withdraw: () => rm(path, { force: true }) };
  }

  /**
   * Resolves when every collector that had a notice up at the time of the call is done, has died, or has had it for
   * too long: its notice is then revoked, and it puts back what it was moving.
   */
  async passed(what: string, signal: AbortSignal | undefined): Promise<void> {
    const end = performance.now() + this.#patienceMs;
    for (const name of await namesIn(this.#folder)) {
      const path = join(this.#folder, name);
      while (exists(path)) {
        throwIfAborted(signal, what);
        if (performance.now() > end || (await this.#isOver(name))) await rm(path, { force: true });
        else await sleep(pollMs);
      }
    }
  }

  async #isOver(name: string): Promise<boolean> {
    try {
      return await isAbandoned(this.#folder, name);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true;
      throw error;
    }
  }
}

/** Synchronous: the answer must not be older than what is done upon it. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
