import type { IdMapping, IdMappings } from '@gantry/interface';
import { findProgram } from '../find-program.js';
import { mapRanges, ownNames, readSubordinateRanges, withoutOverlaps } from './subordinate-ids.js';

/** The ids that an ordinary user can have in a user namespace: he is its root. */
export interface OwnIds extends IdMappings {
  /** `helpers`: newuidmap and newgidmap write the maps; `self`: anybody can, as there is nothing but the user's own ids. */
  readonly mapper: 'helpers' | 'self';
  /** Why there is nothing but the user's own ids, and what to change. */
  readonly lacking?: { readonly problem: string; readonly remedy: string };
}

/** The kernel's most ranges of one namespace. user_namespaces(7). */
const maxRanges = 340;

let known: OwnIds | undefined;

/** Read once. An administrator's change is seen by the next host program. */
export function ownIds(): OwnIds {
  known ??= findOwnIds();
  return known;
}

/** The paths of the helpers; undefined for one that is not there. */
export function idHelpers(): { readonly newuidmap: string | undefined; readonly newgidmap: string | undefined } {
  return { newuidmap: findProgram('newuidmap'), newgidmap: findProgram('newgidmap') };
}

function findOwnIds(): OwnIds {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const names = ownNames();
  const uids = withoutOverlaps(readSubordinateRanges('/etc/subuid', names), uid).slice(0, maxRanges - 1);
  const gids = withoutOverlaps(readSubordinateRanges('/etc/subgid', names), gid).slice(0, maxRanges - 1);
  const { newuidmap, newgidmap } = idHelpers();
  const one: Pick<OwnIds, 'uids' | 'gids' | 'mapper'> = {
    uids: [{ inside: 0, outside: uid, size: 1 }],
    gids: [{ inside: 0, outside: gid, size: 1 }],
    mapper: 'self',
  };
  if (uids.length === 0 || gids.length === 0) {
    const file = uids.length === 0 ? '/etc/subuid' : '/etc/subgid';
    const problem = `${file} has no range for ${[...names].at(-1)}`;
    const range = `${uids.length === 0 ? '--add-subuids' : '--add-subgids'} 100000-165535`;
    return { ...one, lacking: { problem, remedy: `have root run: usermod ${range} ${[...names].at(-1)}` } };
  }
  if (!newuidmap || !newgidmap) {
    const problem = `${newuidmap ? 'newgidmap' : 'newuidmap'} is not installed`;
    return { ...one, lacking: { problem, remedy: 'install the package uidmap (shadow-utils elsewhere)' } };
  }
  const own = (outside: number): IdMapping => ({ inside: 0, outside, size: 1 });
  return {
    uids: [own(uid), ...mapRanges(uids, 1)],
    gids: [own(gid), ...mapRanges(gids, 1)],
    mapper: 'helpers',
  };
}
