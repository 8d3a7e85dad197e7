import type { ContainerId } from '@gantry/interface';
import { type StartedShim, startShim } from './spawn.js';

/** Milliseconds after a launch before a spare is made: the launch's own program goes first. */
const spareDelay = 5;

/** Milliseconds that a spare is kept. */
const spareTime = 10_000;

/** With room for the id of a container, which a spare does not know yet. */
const spareTitle = `spare of ${process.pid}`.padEnd(64);

/** A shim, begun for a launch. */
export interface BegunShim {
  readonly shim: Promise<StartedShim>;
  /** The frame by which its first process was cloned on cgroup v1; undefined while there is none. */
  readonly clone: Uint8Array | undefined;
  /** Whether it was there before. */
  readonly isSpare: boolean;
}

/**
 * Shims for launches, made ahead of what is known of these: containers of one host program have the same namespaces, and the same
 * in /proc, /dev and /sys, as a rule. A launch gets a shim with a first process of the last one's kind, which it need not take. If
 * there was a launch lately that shim has even been there before: a spare, one at most, that ends with the host program, and after 10 s.
 */
export class ShimSupply {
  readonly #keepsSpare: boolean;
  /** Of the last launch; undefined before the first, and where a process cannot be cloned ahead. */
  #clone: Uint8Array | undefined;
  #spare: Spare | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Settles when the spares that were not wanted are gone. */
  #dropped = Promise.resolve();

  constructor(keepsSpare: boolean) {
    this.#keepsSpare = keepsSpare;
  }

  begin(id: ContainerId): BegunShim {
    const clone = this.#clone;
    const spare = this.#takeSpare(id);
    const shim = spare ?? startShim(id, id, clone);
    // Told by the launch; one that comes to nothing wants to know nothing.
    shim.catch(() => undefined);
    return { shim, clone, isSpare: spare !== undefined };
  }

  /** How a launch that goes well has its process cloned, which the next one's will be, too; undefined if that has to wait for it. */
  learn(clone: Uint8Array | undefined): void {
    if (!sameFrame(clone, this.#clone)) void this.#drop();
    this.#clone = clone;
    if (!this.#keepsSpare || this.#spare) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#makeSpare(), spareDelay).unref();
  }

  /** Ends the spare; a launch may make another one. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#drop();
  }

  #makeSpare(): void {
    const shim = startShim('spare', spareTitle, this.#clone).then((started) => {
      started.session.unref();
      return started;
    });
    shim.catch(() => undefined);
    this.#spare = { shim, user: userOf() };
    this.#timer = setTimeout(() => void this.#drop(), spareTime).unref();
  }

  #takeSpare(id: ContainerId): Promise<StartedShim> | undefined {
    const spare = this.#spare;
    if (!spare) return undefined;
    // A host program that has changed its user since is not to start anything as the user before.
    if (spare.user !== userOf()) {
      void this.#drop();
      return undefined;
    }
    clearTimeout(this.#timer);
    this.#spare = undefined;
    return spare.shim.then(async ({ session, started }) => {
      if (session.hasClosed) return startShim(id, id, this.#clone);
      session.ref();
      session.adopt(id);
      return { session, started };
    });
  }

  #drop(): Promise<void> {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare) this.#dropped = Promise.all([this.#dropped, endSpare(spare)]).then(() => undefined);
    return this.#dropped;
  }
}

async function endSpare(spare: Spare): Promise<void> {
  const shim = await spare.shim.catch(() => undefined);
  // Else the program might end while it waits for this.
  shim?.session.ref();
  shim?.session.end();
  await shim?.session.closed;
}

interface Spare {
  readonly shim: Promise<StartedShim>;
  readonly user: string;
}

function userOf(): string {
  return [process.geteuid?.(), process.getegid?.(), ...(process.getgroups?.() ?? [])].join();
}

/** Whether two frames say the same, or neither is there. */
export function sameFrame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && Buffer.compare(one, other) === 0);
}
