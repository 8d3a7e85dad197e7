import { readFileSync } from 'node:fs';
import {
  capabilityNames,
  type IdMapper,
  type IdMapping,
  type IdMappings,
  type PrepareContext,
} from '@gantry/interface';
import { ownIds, ownNames, readSubordinateRanges } from '@gantry/native';
import { invalidField, refused } from '../errors.js';

const name = 'namespaces/user';

/** Which users containers can have here. */
export interface UserPolicy {
  /** For a spec that does not say. */
  readonly default: 'host' | 'private';
  /** Whether the host program is an ordinary user's, which can give containers no users but those that he may use himself. */
  readonly isOrdinary: boolean;
  /** The ids of `private`. `REFUSED` if there are none. */
  ids(): IdMappings;
}

/** Whose ranges in /etc/subuid and /etc/subgid are for the containers of a host program that is root. */
const poolOwners: ReadonlySet<string> = new Set(['gantry', 'containers']);

/** Ids that an image may use: those of 16 bits. */
const poolSize = 65_536;

/** The policy of a host program that is root; `pool` in place of what /etc/subuid and /etc/subgid hold for `gantry` or `containers`. */
export function rootUsers(pool?: IdMappings): UserPolicy {
  return { default: 'host', isOrdinary: false, ids: () => pool ?? readPool() };
}

/** The policy of an ordinary user: always a user namespace, of what he may use himself. */
export function ordinaryUsers(): UserPolicy {
  return { default: 'private', isOrdinary: true, ids: ownIds };
}

/** Who gives the containers of this program their ids. */
export function ownIdMapper(): IdMapper {
  return process.geteuid?.() === 0 ? 'root' : ownIds().mapper;
}

/** The policy for the user that this program runs as. */
export function ownUsers(pool?: IdMappings): UserPolicy {
  return process.geteuid?.() === 0 ? rootUsers(pool) : ordinaryUsers();
}

/** The ids of the user namespace that a container is in; undefined for the host's users. `REFUSED` for what cannot be had. */
export function usersOf(context: Pick<PrepareContext, 'spec' | 'parent'>, policy: UserPolicy): IdMappings | undefined {
  let outermost = context;
  while (outermost.parent) outermost = outermost.parent;
  if (context.parent && context.spec.userNamespace !== undefined) {
    throw invalidField(
      'spec.userNamespace',
      "is the parent's to say, whose users a nested container has: leave it out",
    );
  }
  const asked = outermost.spec.userNamespace ?? policy.default;
  if (asked === 'private') return policy.ids();
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
    const range = readSubordinateRanges(path, poolOwners).find(({ size }) => size >= poolSize);
    if (range) return [{ inside: 0, outside: range.start, size: poolSize }];
    throw refused(
      name,
      `there are no ids for user namespaces: ${path} has no range of ${poolSize} for gantry or containers`,
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
