import { type FSWatcher, watch } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf, GantryError, raceAbort, toGantryError } from '@gantry/interface';
import { stateFiles } from '../protocol.generated.js';
import { openPathSocket } from '../shim/path-socket.js';

/**
 * Tells when a state folder has changed, and when no more will be logged in it: its exit record is there, or its
 * shim is gone. A connection to the shim is kept open, since nothing in the folder changes when a shim is killed.
 */
export class LogWatch {
  readonly #stateDir: string;
  readonly #watcher: FSWatcher;
  #shim: Socket | undefined;
  #dirty = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  /** `NOT_FOUND` if there is no state folder. */
  static async open(stateDir: string): Promise<LogWatch> {
    const log = new LogWatch(stateDir);
    try {
      await log.#connect();
      return log;
    } catch (error) {
      log.close();
      throw error;
    }
  }

  private constructor(stateDir: string) {
    this.#stateDir = stateDir;
    try {
      this.#watcher = watch(stateDir);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw toGantryError(error, `watching ${stateDir}`);
      throw new GantryError('NOT_FOUND', `there is no state folder ${stateDir}`, { cause: error });
    }
    this.#watcher.on('change', () => this.#notice());
    this.#watcher.on('error', (error) => {
      this.#failure = error;
      this.#notice();
    });
  }

  /** Whether all that will ever be logged has been written. Changes after this call wake the next `changed`. */
  async over(): Promise<boolean> {
    this.#dirty = false;
    if (this.#failure) throw toGantryError(this.#failure, `watching ${this.#stateDir}`);
    if (!this.#shim) await this.#connect();
    return !this.#shim || (await this.#hasExitRecord());
  }

  /** Resolves when there may be something new. Rejects with `ABORTED` if the signal fires. */
  async changed(signal: AbortSignal | undefined, what: string): Promise<void> {
    const change = new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#dirty) resolve();
    });
    await raceAbort(change, signal, what);
  }

  close(): void {
    this.#watcher.close();
    this.#shim?.destroy();
    this.#shim = undefined;
  }

  #notice(): void {
    this.#dirty = true;
    this.#wake?.();
  }

  async #connect(): Promise<void> {
    const socket = await openPathSocket(this.#stateDir);
    if (!socket) return;
    let greeted = false;
    this.#shim = socket;
    socket.on('data', () => {
      greeted = true;
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#shim = undefined;
      if (greeted) this.#notice();
      else void this.#noticeIfGone();
    });
  }

  /** A shim that has all the clients it takes closes without a greeting. To look again at once would never end. */
  async #noticeIfGone(): Promise<void> {
    try {
      const socket = await openPathSocket(this.#stateDir);
      socket?.destroy();
      if (!socket) this.#notice();
    } catch (error) {
      this.#failure = toGantryError(error, `watching ${this.#stateDir}`);
      this.#notice();
    }
  }

  async #hasExitRecord(): Promise<boolean> {
    try {
      await access(join(this.#stateDir, stateFiles.exitRecord));
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw toGantryError(error, `looking for the exit record in ${this.#stateDir}`);
    }
  }
}
