import type { IdMapping, IdMappings, LaunchRequest, OciIdMapping } from '@gantry/interface';
import { mapText } from '@gantry/native';
import type { CompiledNamespaces } from './namespaces.js';
import { integer, invalid, maxId, unsupported } from './refusal.js';

/** How a container's user namespace, its own or its parent's, comes to be used. */
export interface CompiledUsers {
  /** What the shim writes to uid_map and gid_map; empty if others do, or if they are the parent's. */
  readonly uidMap: string;
  readonly gidMap: string;
  /** Whether groups may be changed in there. user_namespaces(7). */
  readonly setgroups: boolean;
  /** The namespace's root as the host sees it, if the shim does for the first process what needs the host's privileges. */
  readonly outside?: { readonly uid: number; readonly gid: number };
  /** What newuidmap and newgidmap are to write. */
  readonly helpers?: IdMappings;
}

export function compileUsers(
  { config, idMapper }: LaunchRequest,
  { types, within }: CompiledNamespaces,
): CompiledUsers | undefined {
  const { namespaces, uidMappings = [], gidMappings = [] } = config.linux;
  if (!namespaces.some(({ type }) => type === 'user')) {
    if (uidMappings.length + gidMappings.length === 0) return undefined;
    throw invalid('linux.uidMappings', 'there is no user namespace that these would be for');
  }
  const ids = {
    uids: compileMappings(uidMappings, 'linux.uidMappings'),
    gids: compileMappings(gidMappings, 'linux.gidMappings'),
  };
  if (idMapper === undefined)
    throw unsupported('linux.namespaces', 'nobody was named who gives a user namespace its ids');
  const outside =
    idMapper === 'root'
      ? { outside: { uid: rootOf(ids.uids, 'linux.uidMappings'), gid: rootOf(ids.gids, 'linux.gidMappings') } }
      : {};
  const written = { uidMap: '', gidMap: '', setgroups: idMapper !== 'self', ...outside };
  if (within && !types.has('user')) return written;
  if (idMapper === 'helpers') return { ...written, helpers: ids };
  return { ...written, uidMap: mapText(ids.uids), gidMap: mapText(ids.gids) };
}

function compileMappings(mappings: readonly OciIdMapping[], field: string): IdMapping[] {
  if (mappings.length === 0) throw invalid(field, 'a user namespace needs ids');
  return mappings.map(({ containerID, hostID, size }, index) => ({
    inside: integer(containerID, 0, maxId, `${field}[${index}].containerID`),
    outside: integer(hostID, 0, maxId, `${field}[${index}].hostID`),
    size: integer(size, 1, maxId, `${field}[${index}].size`),
  }));
}

function rootOf(mappings: readonly IdMapping[], field: string): number {
  const root = mappings.find(({ inside }) => inside === 0);
  if (!root) throw unsupported(field, 'no range has id 0, which the container is set up as');
  return root.outside;
}
