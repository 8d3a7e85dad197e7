import { rm } from 'node:fs/promises';
import { moveFile, moveFolder, putBack } from '../durable.js';
import type { CollectorNotice } from './collector-notices.js';

/** Milliseconds that a phase goes on for: pulls that begin in the meantime wait for its end. */
const phaseMs = 200;

/**
 * One phase in which garbage is moved out of its place, under a notice. What is moved is out of sight at once, and can be
 * removed when nobody waits any more.
 */
export class Retirement {
  readonly #notice: CollectorNotice;
  readonly #end = performance.now() + phaseMs;

  constructor(notice: CollectorNotice) {
    this.#notice = notice;
  }

  /** Whether more may be moved. */
  goesOn(): boolean {
    return performance.now() < this.#end && this.#notice.stands();
  }

  /** Moves a file, or a folder; false if it is gone or had to be put back. */
  async move(path: string, aside: string, kind: 'file' | 'folder'): Promise<boolean> {
    if (!this.#notice.stands() || !(await moveFile(path, aside))) return false;
    if (this.#notice.stands()) return true;
    // Revoked at this very moment: someone may have begun to rely on it.
    if (kind === 'folder') return !(await moveFolder(aside, path, ['EEXIST', 'ENOTEMPTY']));
    await putBack(aside, path);
    await rm(aside, { force: true });
    return false;
  }
}
