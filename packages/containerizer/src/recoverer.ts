import {
  type CallOptions,
  type ContainerId,
  type GantryError,
  isGantryError,
  type RecoveryReport,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { retryCleanUp } from './cleanup.js';
import { Container } from './container.js';
import { freeze } from './control.js';
import type { Lifecycle } from './lifecycle.js';
import { buryCorrupt, byDepth, cleanUpFailed, type Found, inspect, reapUnknown, recoverIsolators } from './recovery.js';
import type { StateFolder } from './state-folder.js';
import { tellStatus } from './told.js';

const atOnce = 16;

/** Takes up what earlier host programs left: every container is looked at once, nested ones before their parents. */
export class Recoverer {
  readonly #life: Lifecycle;
  readonly #report: MutableReport = { running: [], cleaned: [], foreign: [], failed: [] };

  constructor(life: Lifecycle) {
    this.#life = life;
  }

  async run({ signal }: CallOptions): Promise<RecoveryReport> {
    const what = `recovering the containers in ${this.#life.root.path}`;
    try {
      await this.#recoverAll(signal, what);
    } catch (error) {
      throw toGantryError(error, what);
    }
    return this.#report;
  }

  async #recoverAll(signal: AbortSignal | undefined, what: string): Promise<void> {
    const { root, parts } = this.#life;
    await root.sweep();
    for (const group of await byDepth(await root.ids(), root)) {
      const ids = group.values();
      const worker = async () => {
        for (const id of ids) {
          throwIfAborted(signal, what);
          await this.#recover(id);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
    }
    await this.#endStrays();
    for (const container of [...this.#life.containers.values()]) this.#life.review(container);
    await reapUnknown(root, parts, this.#report);
    await recoverIsolators(parts, this.#report, { signal });
  }

  async #recover(id: ContainerId): Promise<void> {
    const { containers, root, parts } = this.#life;
    if (containers.has(id)) return;
    const folder = root.of(id);
    try {
      const found = await inspect(folder, root, parts);
      if (found.type === 'busy') this.#report.foreign.push(id);
      else await this.#take(found, folder);
    } catch (error) {
      this.#report.failed.push({ id, message: toGantryError(error, `recovering container ${id}`).message });
      if (isGantryError(error, 'CORRUPT_STATE')) await this.#bury(folder, error);
    }
  }

  /** Holds a container that was found, in the state it is in. */
  async #take(found: Exclude<Found, { type: 'busy' }>, folder: StateFolder): Promise<void> {
    const { record } = found;
    const { id } = record.spec;
    if (found.type === 'ended') {
      const ended = this.#life.adopt(Container.ended(record, folder, found.termination));
      const failed = await retryCleanUp(ended, this.#life.parts);
      if (failed.length > 0) throw cleanUpFailed(id, failed);
      return;
    }
    const state = found.type === 'running' ? 'RUNNING' : 'ISOLATING';
    const container = this.#life.adopt(new Container(record.spec, state, this.#life.events.onState, record));
    container.folder = folder;
    if (found.type === 'running') {
      container.handle = found.handle;
      container.foreign = found.foreign;
      const { refusal } = found.handle;
      if (found.foreign) this.#report.foreign.push(id);
      else if (refusal) this.#report.failed.push({ id, message: refusal.message });
      else this.#report.running.push(id);
      // Whatever fails after this: its end is seen.
      this.#life.watch(container);
      container.told = await tellStatus(this.#life.parts.isolators, id);
      if (record.paused && !found.foreign) {
        // One in its parent's groups is paused with that.
        if (!record.spec.shareCgroups) await freeze(this.#life.parts, container, true, {});
        if (container.state === 'RUNNING') container.enter('PAUSED');
      }
    } else {
      await this.#life.finish(container, found);
      this.#report.cleaned.push(id);
      if (container.failedSteps.length > 0) throw cleanUpFailed(id, container.failedSteps);
    }
  }

  /** A running container whose parent's end was not seen here: it was between the two when a host program died. */
  async #endStrays(): Promise<void> {
    for (const container of [...this.#life.containers.values()]) {
      const { parent } = container.spec;
      if (parent === undefined || !container.isAlive || container.foreign) continue;
      if (this.#life.containers.get(parent)?.isAlive || this.#report.foreign.includes(parent)) continue;
      try {
        await this.#life.end(container);
      } catch (error) {
        const { message } = toGantryError(error, `ending container ${container.id}, whose parent has ended`);
        this.#report.failed.push({ id: container.id, message });
        continue;
      }
      this.#report.running = this.#report.running.filter((id) => id !== container.id);
      this.#report.cleaned.push(container.id);
    }
  }

  async #bury(folder: StateFolder, error: GantryError): Promise<void> {
    try {
      await buryCorrupt(folder, this.#life.root, this.#life.parts, error);
    } catch (cause) {
      this.#report.failed.push({
        id: folder.id,
        message: toGantryError(cause, `cleaning up container ${folder.id}`).message,
      });
    }
  }
}

type MutableReport = { -readonly [K in keyof RecoveryReport]: RecoveryReport[K][number][] };
