import type { ContainerId, LaunchOptions } from '@gantry/interface';
import type { ShimPlan } from '../compile/plan.js';
import { cloneFrameInto, type StartedShim, startShim } from './spawn.js';

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

/** How a launch had its process cloned, which the next one's will be, too. */
export interface LaunchKind {
  readonly clone: Uint8Array | undefined;
  readonly plan: ShimPlan;
  readonly spareGroups: LaunchOptions['spareGroups'];
}

/**
 * Shims for launches, made ahead of what is known of these: containers of one host program have the same namespaces, and the same
 * in /proc, /dev and /sys, as a rule. A launch gets a shim with a first process of the last one's kind, which it need not take. If
 * there was a launch lately that shim has even been there before: a spare, one at most, that ends with the host program, and after 10 s.
 */
export class ShimSupply {
  readonly #keepsSpare: boolean;
  /** Of the last launch; undefined before the first, and where a process cannot be cloned ahead. */
  #kind: LaunchKind | undefined;
  #spare: Spare | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Resolves when the spares that were not wanted are gone, with what could not be removed of them. */
  #dropped: Promise<readonly unknown[]> = Promise.resolve([]);

  constructor(keepsSpare: boolean) {
    this.#keepsSpare = keepsSpare;
  }

  begin(id: ContainerId): BegunShim {
    const clone = this.#kind?.clone;
    const spare = this.#takeSpare(id);
    const shim = spare ?? startShim(id, id, clone);
    // Told by the launch; one that comes to nothing wants to know nothing.
    shim.catch(() => undefined);
    return { shim, clone, isSpare: spare !== undefined };
  }

  /** Of a launch that goes well; undefined if the process of the next has to wait for it. */
  learn(kind: LaunchKind | undefined): void {
    if (!sameFrame(kind?.clone, this.#kind?.clone)) this.#drop();
    this.#kind = kind;
    if (!this.#keepsSpare || this.#spare) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#makeSpare(), spareDelay).unref();
  }

  /** Ends the spare; a launch may make another one. Rejects if control groups that were made for one cannot be removed. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#drop();
    const [failure] = await this.#dropped;
    this.#dropped = Promise.resolve([]);
    if (failure !== undefined) throw failure;
  }

  #makeSpare(): void {
    const shim = startSpare(this.#kind);
    shim.catch(() => undefined);
    this.#spare = { shim, user: userOf() };
    this.#timer = setTimeout(() => this.#drop(), spareTime).unref();
  }

  #takeSpare(id: ContainerId): Promise<StartedShim> | undefined {
    const spare = this.#spare;
    if (!spare) return undefined;
    // A host program that has changed its user since is not to start anything as the user before.
    if (spare.user !== userOf()) {
      this.#drop();
      return undefined;
    }
    clearTimeout(this.#timer);
    this.#spare = undefined;
    return this.#adopt(spare.shim, id);
  }

  /** Makes a spare that of a container; another shim if there is none, or somebody has ended it. */
  async #adopt(spare: Spare['shim'], id: ContainerId): Promise<StartedShim> {
    const shim = await spare.catch(() => undefined);
    if (!shim) return startShim(id, id, this.#kind?.clone);
    const { session, groups } = shim;
    session.ref();
    session.adopt(id);
    // One that has just been started has yet to join them.
    if (groups) await session.cloned.catch(() => undefined);
    if (!session.hasClosed) return shim;
    this.#remove(spare);
    return startShim(id, id, this.#kind?.clone);
  }

  #drop(): void {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare) this.#remove(spare.shim);
  }

  /** What goes wrong is told by `close`. */
  #remove(shim: Spare['shim']): void {
    const failures = this.#dropped;
    this.#dropped = endSpare(shim).then(
      () => failures,
      async (failure: unknown) => [...(await failures), failure],
    );
  }
}

/** Where control groups cannot be made ahead, the launch that needs them tells why. */
async function startSpare({ clone, plan, spareGroups }: Partial<LaunchKind> = {}): Promise<StartedShim> {
  const groups = plan?.awaitsGroups ? await spareGroups?.().catch(() => undefined) : undefined;
  try {
    const frame = groups && plan ? cloneFrameInto(groups.folders, plan) : clone;
    const started = await startShim('spare', spareTitle, frame);
    started.session.unref();
    return { ...started, ...(groups ? { groups } : {}) };
  } catch (error) {
    await groups?.[Symbol.asyncDispose]();
    throw error;
  }
}

async function endSpare(spare: Spare['shim']): Promise<void> {
  const shim = await spare.catch(() => undefined);
  if (!shim) return;
  const { session, groups } = shim;
  // Else the program might end while it waits for this.
  session.ref();
  session.end();
  await session.closed;
  await groups?.[Symbol.asyncDispose]();
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
