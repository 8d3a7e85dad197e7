import { stat } from 'node:fs/promises';
import { type ContainerMount, errnoOf, type OciMount } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { depthOf, forbiddenTarget, normalTarget } from './targets.js';

const name = 'filesystem/linux';
const defaultTmpfsSize = 64 * 1024 * 1024;
const defaultTmpfsMode = 0o1777;

/**
 * The OCI mounts for those of a spec, parents first. `INVALID_ARGUMENT` for a target that is malformed or given
 * twice; `REFUSED` for one that would undo the isolation, and for a bind source that is not there.
 */
export async function specMounts(mounts: readonly ContainerMount[]): Promise<OciMount[]> {
  const converted = new Map<string, OciMount>();
  for (const [index, mount] of mounts.entries()) {
    const field = `spec.mounts[${index}]`;
    const destination = checkedTarget(mount.target, `${field}.target`);
    if (converted.has(destination)) throw invalidField(`${field}.target`, `${destination} is given twice`);
    converted.set(destination, mount.type === 'bind' ? bindMount(mount, destination) : tmpfsMount(mount, destination));
  }
  await Promise.all(mounts.map((mount) => (mount.type === 'bind' ? checkSource(mount.source) : undefined)));
  return [...converted.values()].sort((a, b) => depthOf(a.destination) - depthOf(b.destination));
}

function checkedTarget(target: string, field: string): string {
  const normal = normalTarget(target);
  if (normal === undefined) {
    throw invalidField(field, `'${target}' must be an absolute path without '..' or NUL`);
  }
  const reason = forbiddenTarget(normal);
  if (reason !== undefined) {
    throw refused(name, `${field}: ${target} ${reason}`, 'mount it somewhere else', {
      details: { field, path: target },
    });
  }
  return normal;
}

/** Devices do not work on it: no isolator says which of the host's a container may open. */
function bindMount(mount: ContainerMount & { readonly type: 'bind' }, destination: string): OciMount {
  const options = ['rbind', 'rprivate', 'nodev', mount.readonly ? 'ro' : 'rw'];
  return { destination, type: 'bind', source: mount.source, options };
}

/** Programs on it can run, as in the rest of the container's writable space. */
function tmpfsMount(mount: ContainerMount & { readonly type: 'tmpfs' }, destination: string): OciMount {
  const mode = (mount.mode ?? defaultTmpfsMode).toString(8).padStart(4, '0');
  const options = ['nosuid', 'nodev', `mode=${mode}`, `size=${mount.size ?? defaultTmpfsSize}`];
  return { destination, type: 'tmpfs', source: 'tmpfs', options };
}

async function checkSource(source: string): Promise<void> {
  try {
    await stat(source);
  } catch (cause) {
    const absent = errnoOf(cause) === 'ENOENT' || errnoOf(cause) === 'ENOTDIR';
    throw refused(
      name,
      absent ? `the bind source ${source} does not exist` : `the bind source ${source} cannot be reached`,
      absent ? 'create it first' : 'let the host program reach it',
      { cause, details: { path: source, errno: errnoOf(cause) } },
    );
  }
}
