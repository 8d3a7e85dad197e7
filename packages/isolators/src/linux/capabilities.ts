import { type CapabilityChange, capabilityNames, type Isolator, type OciCapabilities } from '@gantry/interface';
import type { DeviceControl } from '../cgroups/device-control.js';
import { resolveUser } from '../docker/user.js';
import { invalidField, refused } from '../errors.js';
import { ownerOf } from '../namespaces/sharing.js';
import { allCapabilities, rootUsers, type UserPolicy, usersOf } from '../namespaces/users.js';
import { isGuarded } from '../network/egress.js';
import { defaultCapabilities } from './default-capabilities.js';
import { ownCapabilities } from './own-process.js';

const name = 'linux/capabilities';

/**
 * `linux/capabilities`: the default set (Docker's; without CAP_MKNOD unless `devices` can hold the container to what it may
 * open), changed as the spec asks. Inheritable and ambient sets are empty (CVE-2022-24769). A user other than root gets the bounding set only, which is what a change
 * of user leaves in the kernel too. A sandbox gets none at all.
 */
export function linuxCapabilities(
  options: { readonly devices?: DeviceControl; readonly users?: UserPolicy } = {},
): Isolator {
  const policy = options.users ?? rootUsers();
  return {
    name,
    after: ['docker/runtime'],
    async edits(context) {
      // It only reaps, which needs none.
      if (context.spec.sandbox) return { capabilities: capabilitySets([], 0) };
      const users = usersOf(context, policy);
      const held = users ? allCapabilities() : ownCapabilities();
      // In a user namespace it is of no use: nobody there may make devices.
      const guarded = !users && options.devices !== undefined && options.devices.missing() === undefined;
      const allowed = boundingSet(context.spec.capabilities ?? {}, held, guarded);
      // With it, what network/egress forbids could be sent by packet sockets, which no rule sees.
      const isOpen = !isGuarded(ownerOf(context, 'network'));
      const bounding = isOpen ? allowed : allowed.filter((one) => one !== 'CAP_NET_RAW');
      const { uid } = await resolveUser(context);
      return { capabilities: capabilitySets(bounding, uid) };
    },
  };
}

/**
 * The sorted set for a change, given what the host program holds and whether device nodes are guarded. A default that it does not hold is left out; one
 * that the spec adds is `REFUSED`, as are unknown names.
 */
export function boundingSet(change: CapabilityChange, held: ReadonlySet<string>, guarded = false): string[] {
  const drop = change.drop ?? [];
  const dropsAll = drop.some((item) => item.toUpperCase() === 'ALL');
  const added = (change.add ?? []).map(fullName);
  const dropped = new Set(drop.filter((item) => item.toUpperCase() !== 'ALL').map(fullName));
  const missing = added.filter((item) => !held.has(item));
  if (missing.length > 0) {
    throw refused(
      name,
      `the host program does not hold ${missing.join(', ')} itself`,
      'start it with that capability, or do not add it',
    );
  }
  const contradiction = added.find((item) => dropped.has(item));
  if (contradiction !== undefined) {
    throw invalidField('spec.capabilities', `${contradiction} is both added and dropped`);
  }
  const isDefault = (item: string) => held.has(item) && !dropped.has(item) && (guarded || item !== 'CAP_MKNOD');
  const defaults = dropsAll ? [] : defaultCapabilities.filter(isDefault);
  return [...new Set([...defaults, ...added])].sort();
}

/** The set for a change, whether or not the host program holds it: what it does not hold is refused or does nothing. */
export function nominalCapabilities({ add = [], drop = [] }: CapabilityChange): string[] {
  const dropped = new Set(drop.map((item) => (item.toUpperCase() === 'ALL' ? 'ALL' : fullName(item))));
  const defaults = dropped.has('ALL') ? [] : defaultCapabilities.filter((item) => !dropped.has(item));
  return [...new Set([...defaults, ...add.map(fullName)])];
}

/** The five sets of a first process that starts as `uid`. */
export function capabilitySets(bounding: string[], uid: number): OciCapabilities {
  const own = uid === 0 ? bounding : [];
  return { bounding, permitted: [...own], effective: [...own], inheritable: [], ambient: [] };
}

function fullName(given: string): string {
  const upper = given.toUpperCase();
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!capabilityNames.includes(full)) {
    throw refused(
      name,
      `'${given}' is not a capability that can be named here`,
      'use the names of capabilities(7), one by one; ALL can only be dropped',
    );
  }
  return full;
}
