import type { VolumeOwner } from '@gantry/interface';
import { refused } from '../errors.js';
import { ownCapabilities } from '../linux/own-process.js';
import { rootOfContainers } from './host-source.js';

/** Who may make folders of which owner. */
export interface FolderMaker {
  readonly uid: number;
  readonly gids: readonly number[];
  /** CAP_CHOWN. */
  readonly mayGiveAway: boolean;
}

/** This process. */
export function folderMaker(): FolderMaker {
  const { uid, gid } = rootOfContainers;
  return { uid, gids: [gid, ...(process.getgroups?.() ?? [])], mayGiveAway: ownCapabilities().has('CAP_CHOWN') };
}

/** `REFUSED` for the owner of a folder that is to be made, if it is none that its maker may give it. chown(2). */
export function checkOwner(isolator: string, field: string, owner: VolumeOwner, maker: FolderMaker): void {
  // 0 stands for the root of the maker's containers.
  const { uid = 0, gid = 0 } = owner;
  const isOwn = (uid === 0 || uid === maker.uid) && (gid === 0 || maker.gids.includes(gid));
  if (isOwn || maker.mayGiveAway) return;
  throw refused(
    isolator,
    `${field}: a host program without CAP_CHOWN makes no folder that belongs to ${uid}:${gid}`,
    "leave uid and gid out and have the container's root give the folder away, or run the host program as root",
    { details: { field } },
  );
}
