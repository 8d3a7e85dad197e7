import { type ContainerId, GantryError, type IdMappings, type UserIdPool } from '@gantry/interface';
import { refused } from '../errors.js';
import { NumberClaims } from '../number-claims.js';

const name = 'namespaces/user';

/** Ids that an image may use: those of 16 bits. */
export const rangeSize = 65_536;

/** The kernel's last id; all ones stands for none. */
const lastId = 0xffff_fffe;

/**
 * Ranges of ids, each one container's at most. Which a container is to have is chosen when it is asked for, and remembered until it is
 * taken; what is only planned, of no launch that is under way, is never taken, and given to another when there are no more.
 */
export class IdRanges {
  readonly #claims: NumberClaims;
  readonly #pool: Required<UserIdPool>;
  readonly #chosen = new Map<ContainerId, number>();
  /** Whose launches are under way. */
  readonly #reserved = new Set<ContainerId>();
  /** As in the files, which nobody else changes; read when the first is asked for. */
  #taken: Map<ContainerId, number> | undefined;
  #next = 0;

  constructor(pool: UserIdPool, folder: string) {
    this.#pool = checked(pool);
    this.#claims = new NumberClaims(folder);
  }

  /** The ids of a container. `REFUSED` if all ranges are in use. */
  idsOf(id: ContainerId): IdMappings {
    const { first, size } = this.#pool;
    const range = [{ inside: 0, outside: first + this.#rangeOf(id) * size, size }];
    return { uids: range, gids: range };
  }

  /** Has what is chosen for a container be given to no other until the disposal, after which what was not taken is free. */
  reserve(id: ContainerId): AsyncDisposable {
    this.#rangeOf(id);
    this.#reserved.add(id);
    return {
      [Symbol.asyncDispose]: async () => {
        this.#reserved.delete(id);
        this.#chosen.delete(id);
      },
    };
  }

  /** Has the range be the container's until it is released, also for the next host program. */
  take(id: ContainerId): void {
    const range = this.#rangeOf(id);
    if (!this.#held().has(id) && !this.#claims.take(range, id)) {
      throw refused(name, `another host program has the ids of container ${id}`, 'give each a stateRoot of its own');
    }
    this.#held().set(id, range);
    this.#chosen.delete(id);
  }

  release(id: ContainerId): void {
    this.#chosen.delete(id);
    const range = this.#held().get(id);
    if (range === undefined) return;
    this.#claims.release(range);
    this.#held().delete(id);
  }

  /** Who has one. */
  holders(): ContainerId[] {
    return [...this.#held().keys()];
  }

  #held(): Map<ContainerId, number> {
    this.#taken ??= new Map(this.#whole().map(([range, owner]) => [owner, range]));
    return this.#taken;
  }

  /** Lets go of those that a power cut has torn: no container outlived it. */
  #whole(): [number, owner: ContainerId][] {
    const all = this.#claims.all();
    for (const [range, owner] of all) if (owner === '') this.#claims.release(range);
    return all.filter(([, owner]) => owner !== '');
  }

  #rangeOf(id: ContainerId): number {
    const known = this.#held().get(id) ?? this.#chosen.get(id);
    if (known !== undefined) return known;
    const range = this.#free(new Set(this.#held().values()));
    this.#chosen.set(id, range);
    return range;
  }

  /** In turn, so that one that was let go rests for as long as it can. */
  #free(taken: ReadonlySet<number>): number {
    const { first, count, size } = this.#pool;
    const promised = new Set(this.#chosen.values());
    for (let tries = 0; tries < count; tries++) {
      const range = (this.#next + tries) % count;
      if (taken.has(range) || promised.has(range)) continue;
      this.#next = range + 1;
      return range;
    }
    for (const [id, range] of this.#chosen) {
      if (this.#reserved.has(id)) continue;
      this.#chosen.delete(id);
      if (!taken.has(range)) return range;
    }
    throw refused(
      name,
      `all ${count} ranges of ${size} ids from ${first} on are in use`,
      'give it more (userIds of createContainerizer), or let containers end',
      { details: { first, count, size } },
    );
  }
}

function checked({ first, count, size = rangeSize }: UserIdPool): Required<UserIdPool> {
  const whole = [first, count, size].every((number) => Number.isSafeInteger(number) && number > 0);
  if (whole && first + count * size - 1 <= lastId) return { first, count, size };
  throw new GantryError('INVALID_ARGUMENT', `userIds: must be ranges of ids from 1 to ${lastId}`, {
    details: { field: 'userIds' },
  });
}
