import type { HostLook } from './host-nodes.js';

/** What the edits of CDI devices depend on, besides themselves. */
export interface EditSetting {
  /** Who refuses what cannot be met. */
  readonly isolator: string;
  readonly host: HostLook;
  /** Of the container: nodes are its user's unless they say whose they are. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** Whether it has a user namespace. */
  readonly ownUsers: boolean;
  /** Whether that is one of the host's root, in which a hook of the host's does not find the container's root. */
  readonly hidesRoot: boolean;
  /** Whether its groups are what the host program has, and cannot be chosen. */
  readonly fixedGroups: boolean;
  /** What keeps the host from holding a container to its devices, if anything does. */
  readonly unguarded?: string;
}
