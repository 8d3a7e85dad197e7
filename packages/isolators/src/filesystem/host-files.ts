import { realpath, stat } from 'node:fs/promises';
import { errnoOf, type OciMount } from '@gantry/interface';

/** How programs on the host's network find other machines by name. */
const files: readonly string[] = ['/etc/hosts', '/etc/resolv.conf'];

/**
 * Read-only binds of the host's name service files, for a container on the host's network. A file that is not
 * there, or is not a regular one, is left out: the container then has its image's.
 */
export async function hostNetworkFiles(): Promise<OciMount[]> {
  const mounts = await Promise.all(files.map(hostFileMount));
  return mounts.filter((mount) => mount !== undefined);
}

async function hostFileMount(destination: string): Promise<OciMount | undefined> {
  try {
    // Often a link into /run, which the container does not have.
    const source = await realpath(destination);
    if (!(await stat(source)).isFile()) return undefined;
    return { destination, type: 'bind', source, options: ['bind', 'rprivate', 'nosuid', 'noexec', 'nodev', 'ro'] };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
