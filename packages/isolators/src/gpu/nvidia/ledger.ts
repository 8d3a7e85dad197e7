import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf, GantryError, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { namesIn } from '../../records.js';
import { withLock } from '../../volume/file-lock.js';
import { bootId } from '../../volume/volume-records.js';
import type { TakenGpu } from './choice.js';
import { type GpuClaim, parseClaim } from './claim.js';
import type { HeldGpu } from './inventory.js';

const lockName = 'lock';

/**
 * Who has which GPUs, of all host programs that share a folder: `<boot>/claims/<place>/<container>`, a file for each container that has
 * some, and `<boot>/reservations/<uuid>` for each that is about to. A reservation is as good as the program that made it is alive, which
 * holds its lock; it becomes a claim by a change of its name. Of a file that cannot be read it is still known whose it is:
 * nothing is given until that container is gone, and its clean-up, as that of all others, does not read it.
 *
 * Not flushed: a container does not outlive a boot, nor does what it has.
 */
export class GpuLedger {
  readonly #folder: string;
  readonly #boot = bootId();
  readonly #place: string;
  readonly #reserved = new Map<string, FileHandle>();

  constructor(folder: string, place: string) {
    this.#folder = folder;
    this.#place = place;
  }

  /** Reserves what `choose` picks, given all that is taken, and resolves with the reservation's name. What it throws changes nothing. */
  async reserve<T extends HeldGpu>(
    container: ContainerId,
    wanted: GpuClaim['wanted'],
    choose: (taken: readonly TakenGpu[]) => readonly T[],
    signal?: AbortSignal,
  ): Promise<{ readonly reservation: string; readonly gpus: readonly T[] }> {
    return this.#locked(async () => {
      await this.#removeRemains();
      const gpus = choose(await this.taken());
      const held = gpus.map(({ name, board, part }) => ({ name, board, ...(part === undefined ? {} : { part }) }));
      return { reservation: await this.#write({ container, wanted, gpus: held }), gpus };
    }, signal);
  }

  /** Makes a reservation the container's. `WRONG_STATE` if it has some already. */
  async confirm(reservation: string, container: ContainerId): Promise<void> {
    const path = this.#claimPath(container);
    await mkdir(this.#claims(this.#place), { recursive: true, mode: 0o700 });
    try {
      addon().renameNew(join(this.#reservations, reservation), path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw toGantryError(error, `making ${path}`);
      throw new GantryError('WRONG_STATE', `the container ${container} has GPUs already: ${path}`, {
        cause: error,
        details: { id: container, path },
      });
    }
    await this.#letGo(reservation);
  }

  /** Lets go of a reservation, unless it has become a container's. */
  async withdraw(reservation: string): Promise<void> {
    if (!this.#reserved.has(reservation)) return;
    try {
      await rm(join(this.#reservations, reservation), { force: true });
    } finally {
      await this.#letGo(reservation);
    }
  }

  /** Lets go of all that a container has; nothing if it has none. */
  async release(container: ContainerId): Promise<void> {
    const path = this.#claimPath(container);
    // Asked of every container that ends, most of which have none.
    if (existsSync(path)) await rm(path, { force: true });
  }

  /** What a container has, if anything. `CORRUPT_STATE` if that cannot be told. */
  claimOf(container: ContainerId): GpuClaim | undefined {
    return readClaim(this.#claimPath(container), container);
  }

  /** All that is taken at the moment. `CORRUPT_STATE` if that cannot be told. */
  async taken(): Promise<readonly TakenGpu[]> {
    // In this order: what becomes a claim meanwhile is seen as either, or both.
    const reserved = await this.#liveReservations();
    const claimed = namesIn(this.#claims()).flatMap((place) =>
      namesIn(this.#claims(place)).map((container) => readClaim(join(this.#claims(place), container), container)),
    );
    return [...reserved, ...claimed].flatMap((claim) =>
      claim ? claim.gpus.map((gpu) => ({ ...gpu, container: claim.container })) : [],
    );
  }

  /** The containers of this place that have something. */
  containers(): ContainerId[] {
    return namesIn(this.#claims(this.#place));
  }

  /** Forgets what is nobody's any more: claims before the last boot, reservations of programs that died. */
  async sweep(): Promise<void> {
    if (namesIn(this.#folder).length > 0) await this.#locked(() => this.#removeRemains());
  }

  #claims(place = ''): string {
    return join(this.#folder, this.#boot, 'claims', place);
  }

  #claimPath(container: ContainerId): string {
    return join(this.#claims(this.#place), container);
  }

  get #reservations(): string {
    return join(this.#folder, this.#boot, 'reservations');
  }

  async #locked<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await withLock(join(this.#folder, lockName), run, signal);
    } catch (error) {
      throw toGantryError(error, `changing who has GPUs in ${this.#folder}`);
    }
  }

  /** Under the lock. */
  async #removeRemains(): Promise<void> {
    for (const name of namesIn(this.#folder)) {
      if (name !== lockName && name !== this.#boot)
        await rm(join(this.#folder, name), { recursive: true, force: true });
    }
    for (const name of namesIn(this.#reservations)) {
      if (name.startsWith('.')) await rm(join(this.#reservations, name), { force: true });
      else await this.#readReservation(name);
    }
  }

  /** Under the lock. It is locked before others see it. */
  async #write(claim: GpuClaim): Promise<string> {
    await mkdir(this.#reservations, { recursive: true, mode: 0o700 });
    const name = randomUUID();
    const unseen = join(this.#reservations, `.${name}`);
    const file = await open(unseen, 'wx', 0o600);
    try {
      if (!addon().tryLock(file.fd)) throw new Error(`${unseen} is locked, although it is new`);
      await file.writeFile(JSON.stringify(claim));
      await rename(unseen, join(this.#reservations, name));
    } catch (error) {
      await rm(unseen, { force: true });
      await file.close();
      throw error;
    }
    this.#reserved.set(name, file);
    return name;
  }

  async #letGo(reservation: string): Promise<void> {
    const file = this.#reserved.get(reservation);
    this.#reserved.delete(reservation);
    await file?.close();
  }

  async #liveReservations(): Promise<readonly GpuClaim[]> {
    const found: GpuClaim[] = [];
    for (const name of namesIn(this.#reservations)) {
      const claim = name.startsWith('.') ? undefined : await this.#readReservation(name);
      if (claim) found.push(claim);
    }
    return found;
  }

  /** Undefined, and removed, if its program is no more. */
  async #readReservation(name: string): Promise<GpuClaim | undefined> {
    const path = join(this.#reservations, name);
    try {
      await using file = await open(path, 'r+');
      if (!addon().tryLock(file.fd)) return readClaim(path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    await rm(path, { force: true });
    return undefined;
  }
}

/** Undefined if there is none. */
function readClaim(path: string, container?: ContainerId): GpuClaim | undefined {
  // Most hosts have none, and an error is dear.
  if (!existsSync(path)) return undefined;
  try {
    return parseClaim(readFileSync(path, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (errnoOf(error) !== undefined) throw toGantryError(error, `reading ${path}`);
    const whose = container === undefined ? 'a launch that is on its way' : `the container ${container}`;
    const remedy = container === undefined ? 'remove it when that is over' : 'destroy that container';
    throw new GantryError('CORRUPT_STATE', `${path} does not tell which GPUs ${whose} has: ${remedy}`, {
      cause: error,
      details: { path, ...(container === undefined ? {} : { container }) },
    });
  }
}
