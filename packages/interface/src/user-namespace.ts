/** A range of ids of a user namespace and where it begins on the host. */
export interface IdMapping {
  /** The first id as the container sees it. */
  readonly inside: number;
  /** The id that it is on the host. */
  readonly outside: number;
  readonly size: number;
}

/** The ids of a user namespace. Those that are in no range do not exist in there. */
export interface IdMappings {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** Ranges of ids of the host's, users and groups alike: each for one container at a time, with those that are nested in it. */
export interface UserIdPool {
  /** The first id of the first range. None of them may be anybody else's, another host program's pool included. */
  readonly first: number;
  readonly count: number;
  /** Ids in each, from 0 on in the container. Default 65536. */
  readonly size?: number;
}

/**
 * Whose users the container's are. `host`: the host's own, which takes a host program that is root. `private`: of a user
 * namespace whose ids come from the host program's pool; its root is nobody on the host, or the ordinary user who runs
 * the host program. Ranges: of a user namespace with these ids, which takes root; each list has id 0.
 */
export type UserNamespace = 'host' | 'private' | IdMappings;
