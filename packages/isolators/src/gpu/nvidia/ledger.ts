import { existsSync, readFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, errnoOf, GantryError, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { temporaryName } from '../../records.js';
import { writeDurably } from '../../volume/durable-json.js';
import { withLock } from '../../volume/file-lock.js';
import type { TakenGpu } from './choice.js';
import type { HeldGpu } from './inventory.js';

/** What a container has. */
export interface GpuClaim {
  /** Of its state root. */
  readonly place: string;
  readonly container: ContainerId;
  /** As it was asked for. */
  readonly wanted: number | readonly string[];
  readonly gpus: readonly HeldGpu[];
  /** A container does not outlive a boot. */
  readonly boot: string;
  /** While a launch is on its way to `prepare`: the name of a file that its host program has locked. */
  readonly reservation?: string;
}

/**
 * Who has which GPUs, of all host programs that share a folder: a document that is read and replaced under a lock, and flushed before anybody is
 * given anything. A reservation is as good as the program that made it is alive.
 */
export class GpuLedger {
  readonly #folder: string;
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
    let reservation: string | undefined;
    try {
      return await this.#changed(async (claims) => {
        const gpus = choose(takenOf(claims));
        reservation = await this.#lockNew();
        const held = gpus.map(({ name, board, part }) => ({ name, board, ...(part === undefined ? {} : { part }) }));
        const claim = { place: this.#place, container, wanted, gpus: held, boot: bootId(), reservation };
        return { claims: [...claims, claim], result: { reservation, gpus } };
      }, signal);
    } catch (error) {
      if (reservation !== undefined) await this.#unlock(reservation);
      throw error;
    }
  }

  /** Makes a reservation the container's. */
  async confirm(reservation: string): Promise<void> {
    await this.#changed((claims) => ({
      claims: claims.map((claim) => {
        if (claim.reservation !== reservation) return claim;
        const { reservation: _, ...held } = claim;
        return held;
      }),
      result: undefined,
    }));
    await this.#unlock(reservation);
  }

  /** Lets go of a reservation, unless it has become a container's. */
  async withdraw(reservation: string): Promise<void> {
    await this.#unlock(reservation);
    if (this.#claims().some((claim) => claim.reservation === reservation)) await this.sweep();
  }

  /** Lets go of all that a container has; nothing if it has none. */
  async release(container: ContainerId): Promise<void> {
    const isIts = (claim: GpuClaim) => this.#isIts(claim, container);
    if (!this.#claims().some(isIts)) return;
    await this.#changed((claims) => ({ claims: claims.filter((claim) => !isIts(claim)), result: undefined }));
  }

  /** What a container has, if anything. */
  claimOf(container: ContainerId): GpuClaim | undefined {
    return this.#claims().find((claim) => this.#isIts(claim, container));
  }

  /** All that is taken at the moment. */
  async taken(): Promise<readonly TakenGpu[]> {
    return takenOf(await this.#live(this.#claims()));
  }

  /** The containers of this place that have something. */
  containers(): ContainerId[] {
    const mine = this.#claims().filter((claim) => this.#isIts(claim, claim.container));
    return [...new Set(mine.map(({ container }) => container))];
  }

  /** Forgets what is nobody's any more: claims before the last boot, reservations of programs that died. */
  async sweep(): Promise<void> {
    if (existsSync(this.#path)) await this.#changed((claims) => ({ claims, result: undefined }));
  }

  /** A launch that is on its way has no container yet. */
  #isIts(claim: GpuClaim, container: ContainerId): boolean {
    return claim.place === this.#place && claim.container === container && claim.reservation === undefined;
  }

  async #changed<T>(
    change: (claims: readonly GpuClaim[]) => Outcome<T> | Promise<Outcome<T>>,
    signal?: AbortSignal,
  ): Promise<T> {
    const run = async () => {
      const { claims, result } = await change(await this.#live(this.#claims()));
      if (claims.length > 0) await writeDurably(this.#path, { claims });
      else await rm(this.#path, { force: true });
      return result;
    };
    try {
      return await withLock(`${this.#path}.lock`, run, signal);
    } catch (error) {
      throw toGantryError(error, `changing ${this.#path}`);
    }
  }

  get #path(): string {
    return join(this.#folder, 'claims.json');
  }

  #reservationPath(name: string): string {
    return join(this.#folder, 'reservations', name);
  }

  /** Those of this boot, as they are at the moment. The file is replaced in one step, so it needs no lock. */
  #claims(): readonly GpuClaim[] {
    // Most hosts have none, and an error is dear.
    if (!existsSync(this.#path)) return [];
    try {
      const { claims } = JSON.parse(readFileSync(this.#path, 'utf8')) as { claims: readonly GpuClaim[] };
      const boot = bootId();
      return claims.filter((claim) => claim.boot === boot);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      if (errnoOf(error) !== undefined) throw toGantryError(error, `reading ${this.#path}`);
      throw new GantryError('CORRUPT_STATE', `${this.#path} cannot be read; remove it when no container runs`, {
        cause: error,
        details: { path: this.#path },
      });
    }
  }

  async #live(claims: readonly GpuClaim[]): Promise<readonly GpuClaim[]> {
    const live: GpuClaim[] = [];
    for (const claim of claims) {
      if (claim.reservation === undefined || (await this.#isLocked(claim.reservation))) live.push(claim);
    }
    return live;
  }

  async #lockNew(): Promise<string> {
    await mkdir(join(this.#folder, 'reservations'), { recursive: true, mode: 0o700 });
    const name = temporaryName('gpus').slice('gpus.'.length);
    const file = await open(this.#reservationPath(name), 'ax', 0o600);
    if (!addon().tryLock(file.fd)) {
      await file.close();
      throw new Error(`${name} is locked, although it is new`);
    }
    this.#reserved.set(name, file);
    return name;
  }

  /** Removed first: whoever finds no file needs no lock to know that its holder is through. */
  async #unlock(name: string): Promise<void> {
    const file = this.#reserved.get(name);
    if (!file) return;
    this.#reserved.delete(name);
    try {
      await rm(this.#reservationPath(name), { force: true });
    } finally {
      await file.close();
    }
  }

  /** Whether its program is alive. The file of one that is not is removed. */
  async #isLocked(name: string): Promise<boolean> {
    const path = this.#reservationPath(name);
    try {
      await using file = await open(path, 'r+');
      if (!addon().tryLock(file.fd)) return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await rm(path, { force: true });
    return false;
  }
}

interface Outcome<T> {
  readonly claims: readonly GpuClaim[];
  readonly result: T;
}

function takenOf(claims: readonly GpuClaim[]): readonly TakenGpu[] {
  return claims.flatMap(({ container, gpus }) => gpus.map((gpu) => ({ ...gpu, container })));
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
