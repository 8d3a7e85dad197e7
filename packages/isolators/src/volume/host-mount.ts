import type { BindMount, MountIdMapping, OciIdMapping, OciMount } from '@gantry/interface';

/** The OCI mount of a `bind` of the spec. Pure. */
export function hostMount(mount: BindMount & { readonly destination: string }): OciMount {
  const { source, destination, idmap } = mount;
  const recursive = mount.recursive !== false;
  const options = [
    recursive ? 'rbind' : 'bind',
    mount.propagation === undefined || mount.propagation === 'private' ? 'rprivate' : mount.propagation,
    // No isolator says which of the host's devices a container may open.
    recursive ? 'rnodev' : 'nodev',
    ...(mount.nosuid ? [recursive ? 'rnosuid' : 'nosuid'] : []),
    ...(mount.noexec ? [recursive ? 'rnoexec' : 'noexec'] : []),
    mount.readonly === 'shallow' ? 'ro' : mount.readonly ? (recursive ? 'rro' : 'ro') : 'rw',
    ...(idmap ? [recursive ? 'ridmap' : 'idmap'] : []),
  ];
  const mappings = idmap ? { uidMappings: idmap.uids.map(ociMapping), gidMappings: idmap.gids.map(ociMapping) } : {};
  return { destination, type: 'bind', source, options, ...mappings };
}

function ociMapping({ source, target, size }: MountIdMapping): OciIdMapping {
  return { containerID: source, hostID: target, size };
}
