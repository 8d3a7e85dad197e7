import { dirname } from 'node:path';
import type { IdMappings, Isolator, OciIdMapping, PrepareContext } from '@gantry/interface';
import { ownIds, userNamespaceObstacle } from '@gantry/native';
import { resolveUser } from '../docker/user.js';
import { refused } from '../errors.js';
import { checkIdmapping } from '../volume/idmapping.js';
import type { IdRanges } from './id-ranges.js';
import { isMapped, rootUsers, type UserPolicy, usersOf } from './users.js';

const name = 'namespaces/user';

/**
 * `namespaces/user`: users of the container's own. Its root has all privileges over what is the container's, and those of an
 * ordinary user, or of nobody, over the rest of the machine. Nested containers are in their parent's.
 */
export function namespacesUser(policy: UserPolicy = rootUsers()): Isolator {
  return {
    name,
    after: ['docker/runtime'],
    async edits(context) {
      const ids = usersOf(context, policy);
      if (!ids) return {};
      if (policy.isOrdinary) checkAllowed();
      await checkUser(context, ids, policy);
      if (!policy.isOrdinary) await checkRoot(context);
      const { parent } = context;
      return {
        namespaces: [parent ? { type: 'user', path: `/proc/${parent.process.pid}/ns/user` } : { type: 'user' }],
        uidMappings: toOci(ids.uids),
        gidMappings: toOci(ids.gids),
      };
    },
    ...(policy.ranges ? keeping(policy.ranges, policy) : {}),
  };
}

/** Has a container keep its range from before anything is made of it until the last of that is gone. */
function keeping(ranges: IdRanges, policy: UserPolicy): Pick<Isolator, 'reserve' | 'prepare' | 'cleanup' | 'list'> {
  const hasRange = ({ spec, parent }: PrepareContext) =>
    !parent && (spec.userNamespace ?? policy.default) === 'private';
  return {
    async reserve(context) {
      return hasRange(context) ? ranges.reserve(context.id) : undefined;
    },
    async prepare(context) {
      if (hasRange(context)) ranges.take(context.id);
    },
    async cleanup(id) {
      ranges.release(id);
    },
    async *list() {
      yield* ranges.holders();
    },
  };
}

/** `REFUSED` where the kernel lets no ordinary user make user namespaces. */
function checkAllowed(): void {
  const obstacle = userNamespaceObstacle();
  if (obstacle) throw refused(name, obstacle.problem, obstacle.remedy);
}

/** `REFUSED` if what the root is made of cannot be idmapped, so that the ids on the disk would be those of the host. */
async function checkRoot({ rootfs: { mount } }: PrepareContext): Promise<void> {
  const folders = mount.type === 'overlay' ? [dirname(mount.upper), ...mount.lower.slice(0, 1)] : [mount.source];
  for (const folder of folders) await checkIdmapping(name, folder, 'the root', mount.type !== 'overlay');
}

/** `REFUSED` if the container's user, or one of his groups, does not exist in the namespace. */
async function checkUser(context: PrepareContext, { uids, gids }: IdMappings, policy: UserPolicy): Promise<void> {
  if (context.spec.sandbox) return;
  const { uid, gid, additionalGids = [] } = await resolveUser(context);
  // With nothing but his own ids an ordinary user may not change groups either: the images' own memberships go unheeded.
  const groups = policy.isOrdinary && ownIds().mapper === 'self' ? [gid] : [gid, ...additionalGids];
  const missing = isMapped(uid, uids) ? groups.find((id) => !isMapped(id, gids)) : uid;
  if (missing === undefined) return;
  const what = missing === uid ? `user ${uid}` : `group ${missing}`;
  const { problem = 'the ranges of the namespace do not reach so far', remedy = 'give larger ranges' } =
    (policy.isOrdinary ? ownIds().lacking : undefined) ?? {};
  throw refused(name, `the container's ${what} does not exist in its user namespace: ${problem}`, remedy, {
    details: { id: missing },
  });
}

function toOci(mappings: IdMappings['uids']): OciIdMapping[] {
  return mappings.map(({ inside, outside, size }) => ({ containerID: inside, hostID: outside, size }));
}
