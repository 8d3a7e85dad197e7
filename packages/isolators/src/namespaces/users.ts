import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ContainerId,
  capabilityNames,
  type IdMapper,
  type IdMapping,
  type IdMappings,
  type PrepareContext,
  type UserIdPool,
} from '@gantry/interface';
import { ownIds, ownNames, readSubordinateRanges } from '@gantry/native';
import { invalidField, refused } from '../errors.js';
import { IdRanges, rangeSize } from './id-ranges.js';

const name = 'namespaces/user';

/** Which users containers can have here. */
export interface UserPolicy {
  /** For a spec that does not say. */
  readonly default: 'host' | 'private';
  /** Whether the host program is an ordinary user's, which can give containers no users but those that he may use himself. */
  readonly isOrdinary: boolean;
  /** The ids of `private` for a container, and for those nested in it. `REFUSED` if there are none. */
  ids(container: ContainerId): IdMappings;
  /** Where each container has ids of its own. */
  readonly ranges?: IdRanges;
}

/** Whose ranges in /etc/subuid and /etc/subgid are for the containers of a host program that is root. */
const poolOwners: ReadonlySet<string> = new Set(['gantry', 'containers']);

/**
 * The policy of a host program that is root; `ids` in place of what /etc/subuid and /etc/subgid hold for `gantry` or `containers`, which
 * all containers have in common: others in common, or ranges of which each has its own.
 */
export function rootUsers(ids?: IdMappings | IdRanges): UserPolicy {
  const common = { default: 'host', isOrdinary: false } as const;
  if (ids instanceof IdRanges) return { ...common, ids: (container) => ids.idsOf(container), ranges: ids };
  return { ...common, ids: () => ids ?? readPool() };
}

/** The policy of an ordinary user: always a user namespace, of what he may use himself. */
export function ordinaryUsers(): UserPolicy {
  return { default: 'private', isOrdinary: true, ids: ownIds };
}

/** Who gives the containers of this program their ids. */
export function ownIdMapper(): IdMapper {
  return process.geteuid?.() === 0 ? 'root' : ownIds().mapper;
}

/**
 * The policy for the user that this program runs as. Which container has which range of a pool is kept in `stateFolder`, the one that
 * `createIsolators` is given. `INVALID_ARGUMENT` for ranges that cannot be.
 */
export function ownUsers(ids?: IdMappings | UserIdPool, stateFolder = '/run/gantry/isolators'): UserPolicy {
  if (process.geteuid?.() !== 0) return ordinaryUsers();
  return rootUsers(ids && 'count' in ids ? new IdRanges(ids, join(stateFolder, 'user-ids')) : ids);
}

/** The ids of the user namespace that a container is in; undefined for the host's users. `REFUSED` for what cannot be had. */
export function usersOf(
  context: Pick<PrepareContext, 'id' | 'spec' | 'parent'>,
  policy: UserPolicy,
): IdMappings | undefined {
  let outermost: Pick<PrepareContext, 'spec' | 'parent'> = context;
  while (outermost.parent) outermost = outermost.parent;
  if (context.parent && context.spec.userNamespace !== undefined) {
    throw invalidField(
      'spec.userNamespace',
      "is the parent's to say, whose users a nested container has: leave it out",
    );
  }
  const asked = outermost.spec.userNamespace ?? policy.default;
  if (asked === 'private') return policy.ids(outermost.spec.id ?? context.id);
  if (!policy.isOrdinary) return asked === 'host' ? undefined : asked;
  const what = asked === 'host' ? "the host's users" : 'ids that the spec chooses';
  throw refused(
    name,
    `an ordinary user's container cannot have ${what}`,
    "start the host program as root, or leave spec.userNamespace out for 'private'",
  );
}

/** Whether an id of the container exists in its user namespace. */
export function isMapped(id: number, mappings: readonly IdMapping[]): boolean {
  return mappings.some(({ inside, size }) => id >= inside && id < inside + size);
}

/** Every capability that this kernel has: what the root of a new user namespace holds. */
export function allCapabilities(): ReadonlySet<string> {
  return new Set(capabilityNames.slice(0, Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'latin1')) + 1));
}

function readPool(): IdMappings {
  const read = (path: string) => {
    const range = readSubordinateRanges(path, poolOwners).find(({ size }) => size >= rangeSize);
    if (range) return [{ inside: 0, outside: range.start, size: rangeSize }];
    throw refused(
      name,
      `there are no ids for user namespaces: ${path} has no range of ${rangeSize} for gantry or containers`,
      `add the line 'gantry:524288:65536' to ${path}, with a range that is nobody's yet, or give ranges in the spec`,
      { details: { path } },
    );
  };
  return { uids: read('/etc/subuid'), gids: read('/etc/subgid') };
}

/** For messages: who an ordinary host program runs as. */
export function ownName(): string {
  return [...ownNames()].at(-1) ?? '';
}
