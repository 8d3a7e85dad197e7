import type { OciUser, PrepareContext } from '@gantry/interface';
import { refused } from '../errors.js';
import { hasControlCharacter } from '../text.js';
import { findGroup, findUser, membershipsOf, type PasswdEntry, parseId } from './accounts.js';

const name = 'docker/runtime';
const remedy =
  "give 'user', 'uid', 'user:group' or 'uid:gid', with names from the container's /etc/passwd and /etc/group";

/** Linux's NGROUPS_MAX. */
const maxGroups = 65_536;

/** Who the first process is, and the home folder its passwd gives. */
export interface ResolvedUser extends OciUser {
  readonly home: string;
}

const resolved = new WeakMap<PrepareContext, Promise<ResolvedUser>>();

/** The user of a container, looked up in its own files; those are read once a context, however many isolators ask. */
export function resolveUser(context: PrepareContext): Promise<ResolvedUser> {
  let user = resolved.get(context);
  if (!user) {
    user = readAndResolve(context);
    resolved.set(context, user);
  }
  return user;
}

async function readAndResolve({ spec, image, rootfs }: PrepareContext): Promise<ResolvedUser> {
  const [passwd, group] = await Promise.all([rootfs.readFile('/etc/passwd'), rootfs.readFile('/etc/group')]);
  const user = await lookUpUser(spec.user ?? image?.user ?? '', passwd, group);
  // An image's own groups go with its own user.
  const supplementary = spec.user === undefined ? (image?.supplementaryGids ?? []) : [];
  return { ...user, additionalGids: [...new Set([...(user.additionalGids ?? []), ...supplementary])] };
}

/**
 * Resolves `user`, `uid`, `user:group` or `uid:gid`; empty means root. What is all digits is an id and never a name.
 * Without a group, the user's own and those that list it as a member apply; with one, that alone, as Docker does.
 * `REFUSED` for a name that is not there and an id out of range.
 */
export async function lookUpUser(
  text: string,
  passwd: Uint8Array | undefined,
  group: Uint8Array | undefined,
): Promise<ResolvedUser> {
  const [userText = '', groupText, ...rest] = (text === '' ? '0' : text).split(':');
  if (userText === '' || groupText === '' || rest.length > 0 || text.length > 512 || hasControlCharacter(text)) {
    throw refused(name, `the user ${JSON.stringify(text.slice(0, 64))} is malformed`, remedy);
  }
  const id = numeric(userText);
  const entry = await findUser(passwd, id ?? userText);
  const uid = id ?? entry?.uid;
  if (uid === undefined) throw refused(name, `the container's /etc/passwd has no user '${userText}'`, remedy);
  const gid = groupText === undefined ? (entry?.gid ?? 0) : (numeric(groupText) ?? (await findGroup(group, groupText)));
  if (gid === undefined) throw refused(name, `the container's /etc/group has no group '${groupText}'`, remedy);
  const memberships = groupText === undefined && entry ? await membershipsOf(group, entry.name, maxGroups) : [];
  // The group itself is in the list too, as after a login, so that a file which shuts that group out stays shut.
  const additionalGids = [...new Set([gid, ...memberships])];
  if (additionalGids.length > maxGroups) {
    throw refused(name, `user '${userText}' is in more than ${maxGroups} groups`, "name one: 'user:group'");
  }
  return { uid, gid, additionalGids, home: homeOf(entry) };
}

/** The id that a text of digits is; undefined for a name. Digits out of range are refused, not looked up. */
function numeric(text: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const id = parseId(text);
  if (id === undefined) throw refused(name, `${text.slice(0, 64)} is not a user or group id`, 'use 0 to 4294967294');
  return id;
}

function homeOf(entry: PasswdEntry | undefined): string {
  if (!entry?.home.startsWith('/')) return '/';
  if (hasControlCharacter(entry.home)) {
    throw refused(name, `the home folder of '${entry.name}' has a control character in it`, 'mend the /etc/passwd');
  }
  return entry.home;
}
